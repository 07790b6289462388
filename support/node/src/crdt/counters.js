import Long from '../long.js';
import { Replicated } from './replicated.js';

function toLong(value, what) {
  if (typeof value === 'bigint') return Long.fromString(value.toString());
  if (Long.isLong(value) || Number.isSafeInteger(value)) return Long.fromValue(value);
  throw new TypeError(`${what} by ${String(value)}, which is not a whole number`);
}

class Counter extends Replicated {
  #value = Long.ZERO;
  #change = Long.ZERO;

  get value() { return this.#value.toNumber(); }
  get longValue() { return this.#value; }
  get hasDelta() { return !this.#change.isZero(); }

  add(change) {
    this.#value = this.#value.add(change);
    this.#change = this.#change.add(change);
    return this;
  }

  replicate(change) { this.#value = this.#value.add(Long.fromValue(change).toSigned()); }
  revert() { this.#value = this.#value.sub(this.#change); this.commit(); }
  commit() { this.#change = Long.ZERO; }
  get changeOfValue() { return this.#change; }
  toString() { return `${this.constructor.name}(${this.#value})`; }
}

/** A counter that only grows. */
export class GCounter extends Counter {
  get kind() { return 'gcounter'; }

  increment(by = 1) {
    const amount = toLong(by, 'a GCounter was incremented');
    if (amount.isNegative()) throw new RangeError(`Cannot decrement a GCounter, requested amount was ${amount}`);
    return this.add(amount);
  }

  change() { return { increment: this.changeOfValue }; }
  all() { return { increment: this.longValue }; }
  apply({ increment }) { this.replicate(increment); }
}

/** A counter that grows and shrinks. */
export class PNCounter extends Counter {
  get kind() { return 'pncounter'; }

  increment(by = 1) { return this.add(toLong(by, 'a PNCounter was incremented')); }
  decrement(by = 1) { return this.add(toLong(by, 'a PNCounter was decremented').neg()); }
  change() { return { change: this.changeOfValue }; }
  all() { return { change: this.longValue }; }
  apply({ change }) { this.replicate(change); }
}
