import { comparable } from '../any.js';
import { Replicated, toAny } from './replicated.js';

const anys = (map) => [...map.values()].map(toAny);

// The elements by their comparable text, and those that were added since the proxy was told.
class ReplicatedSet extends Replicated {
  elements = new Map();
  added = new Map();

  constructor(elements = []) {
    super();
    this.union(elements);
  }

  get size() { return this.elements.size; }
  has(element) { return this.elements.has(comparable(element)); }
  values() { return this.elements.values(); }
  forEach(callback, self) { for (const element of this) callback.call(self, element, element, this); }
  [Symbol.iterator]() { return this.values(); }
  toString() { return `${this.constructor.name}(${[...this].join(',')})`; }

  union(elements) {
    for (const element of elements) this.add(element);
    return this;
  }
}

/** A set that only grows. */
export class GSet extends ReplicatedSet {
  get kind() { return 'gset'; }
  get hasDelta() { return this.added.size > 0; }

  add(element) {
    const key = comparable(element);
    if (this.elements.has(key)) return this;
    this.elements.set(key, element);
    this.added.set(key, element);
    return this;
  }

  change() { return { added: anys(this.added) }; }
  all() { return { added: anys(this.elements) }; }
  commit() { this.added.clear(); }

  revert() {
    for (const key of this.added.keys()) this.elements.delete(key);
    this.commit();
  }

  apply({ added }, read) {
    for (const element of added.map(read)) this.elements.set(comparable(element), element);
  }
}

/** A set whose elements can be removed; whoever adds at the same time wins. */
export class ORSet extends ReplicatedSet {
  removed = new Map();
  before = undefined; // the elements before they were cleared

  get kind() { return 'orset'; }
  get hasDelta() { return this.before !== undefined || this.added.size > 0 || this.removed.size > 0; }

  add(element) {
    const key = comparable(element);
    if (this.elements.has(key)) return this;
    this.elements.set(key, element);
    if (!this.removed.delete(key)) this.added.set(key, element);
    return this;
  }

  delete(element) {
    const key = comparable(element);
    if (!this.elements.has(key)) return false;
    if (this.elements.size === 1) {
      this.clear();
      return true;
    }
    if (!this.added.delete(key)) this.removed.set(key, this.elements.get(key));
    this.elements.delete(key);
    return true;
  }

  clear() {
    if (this.elements.size === 0) return;
    this.before ??= this.known();
    this.elements = new Map();
    this.added.clear();
    this.removed.clear();
  }

  // The elements as the proxy knows them.
  known() {
    if (this.before) return this.before;
    return new Map([...[...this.elements].filter(([key]) => !this.added.has(key)), ...this.removed]);
  }

  change() { return { cleared: this.before !== undefined, removed: anys(this.removed), added: anys(this.added) }; }
  all() { return { added: anys(this.elements) }; }

  commit() {
    this.added.clear();
    this.removed.clear();
    this.before = undefined;
  }

  revert() {
    this.elements = this.known();
    this.commit();
  }

  apply({ cleared, removed, added }, read) {
    if (cleared) this.elements.clear();
    for (const element of removed.map(read)) this.elements.delete(comparable(element));
    for (const element of added.map(read)) this.elements.set(comparable(element), element);
  }
}
