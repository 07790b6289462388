import { comparable } from '../any.js';
import { Replicated, toAny } from './replicated.js';

const keys = (entries) => [...entries].map(({ key }) => toAny(key));

/** A map whose values are replicated data of any type. make(delta, read) makes a value from its delta. */
export class ORMap extends Replicated {
  static make;

  #entries = new Map(); // comparable of the key → {key, value}
  #added = new Set();
  #removed = new Map();
  #before; // the entries before they were cleared

  /** Called with a key that is not there; gives the value to put there. */
  defaultValue = () => undefined;

  get kind() { return 'ormap'; }
  get size() { return this.#entries.size; }

  get hasDelta() {
    return this.#before !== undefined || this.#added.size > 0 || this.#removed.size > 0 ||
      [...this.#entries.values()].some(({ value }) => value.hasDelta);
  }

  has(key) { return this.#entries.has(comparable(key)); }

  get(key) {
    const entry = this.#entries.get(comparable(key));
    if (entry) return entry.value;
    const value = this.defaultValue(key);
    if (value !== undefined && value !== null) this.set(key, value);
    return value ?? undefined;
  }

  set(key, value) {
    if (!(value instanceof Replicated)) throw new TypeError('the values of an ORMap are replicated data themselves');
    const name = comparable(key);
    const entry = this.#entries.get(name);
    if (entry?.value === value) return this;
    if (entry && !this.#added.has(name)) this.#removed.set(name, entry);
    this.#entries.set(name, { key, value });
    this.#added.add(name);
    return this;
  }

  delete(key) {
    const name = comparable(key);
    const entry = this.#entries.get(name);
    if (!entry) return false;
    if (this.#entries.size === 1) {
      this.clear();
      return true;
    }
    if (!this.#added.delete(name)) this.#removed.set(name, entry);
    this.#entries.delete(name);
    return true;
  }

  clear() {
    if (this.#entries.size === 0) return;
    this.#before ??= this.#known();
    this.#entries = new Map();
    this.#added.clear();
    this.#removed.clear();
  }

  * keys() { for (const { key } of this.#entries.values()) yield key; }
  * values() { for (const { value } of this.#entries.values()) yield value; }
  * entries() { for (const { key, value } of this.#entries.values()) yield [key, value]; }
  [Symbol.iterator]() { return this.entries(); }
  forEach(callback, self) { for (const [key, value] of this) callback.call(self, value, key, this); }

  /** The values by the text of their keys, as properties that can be read and set. */
  get asObject() {
    return new Proxy(this, {
      get: (map, key) => (typeof key === 'string' ? map.get(key) : undefined),
      set: (map, key, value) => Boolean(map.set(key, value)),
      has: (map, key) => map.has(key),
      deleteProperty: (map, key) => { map.delete(key); return true; },
      ownKeys: (map) => [...map.keys()].filter((key) => typeof key === 'string'),
      getOwnPropertyDescriptor: (map, key) => (map.has(key)
        ? { configurable: true, enumerable: true, writable: true, value: map.get(key) } : undefined),
    });
  }

  // The entries as the proxy knows them.
  #known() {
    if (this.#before) return this.#before;
    const kept = [...this.#entries].filter(([name]) => !this.#added.has(name));
    return new Map([...kept, ...this.#removed]);
  }

  change() {
    const changed = [...this.#entries].filter(([name, { value }]) => !this.#added.has(name) && value.hasDelta);
    return {
      cleared: this.#before !== undefined,
      removed: keys(this.#removed.values()),
      updated: changed.map(([, { key, value }]) => ({ key: toAny(key), delta: value.takeDelta() })),
      added: [...this.#added].map((name) => this.#entries.get(name))
        .map(({ key, value }) => ({ key: toAny(key), delta: value.takeAll() })),
    };
  }

  all() {
    return { added: [...this.#entries.values()].map(({ key, value }) => ({ key: toAny(key), delta: value.takeAll() })) };
  }

  commit() {
    this.#added.clear();
    this.#removed.clear();
    this.#before = undefined;
  }

  revert() {
    this.#entries = this.#known();
    for (const { value } of this.#entries.values()) value.revert();
    this.commit();
  }

  apply({ cleared, removed, updated, added }, read) {
    if (cleared) this.#entries.clear();
    for (const key of removed.map(read)) this.#entries.delete(comparable(key));
    for (const { key, delta } of updated) {
      const value = this.#entries.get(comparable(read(key)))?.value;
      if (value?.kind === delta.delta) value.applyDelta(delta, read);
    }
    for (const { key: any, delta } of added) {
      const key = read(any);
      this.#entries.set(comparable(key), { key, value: ORMap.make(delta, read) });
    }
  }

  toString() { return `ORMap(${[...this].map(([key, value]) => `${key} → ${value}`).join(', ')})`; }
}
