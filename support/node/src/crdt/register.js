import Long from '../long.js';
import { Replicated, toAny } from './replicated.js';

/** What decides which of two values of a register was the last. */
export const Clocks = Object.freeze({ DEFAULT: 0, REVERSE: 1, CUSTOM: 2, CUSTOM_AUTO_INCREMENT: 3 });

const isCustom = (clock) => clock === Clocks.CUSTOM || clock === Clocks.CUSTOM_AUTO_INCREMENT;

/** A value of which the last one written wins. */
export class LWWRegister extends Replicated {
  #value;
  #known; // the value that the proxy has
  #delta;
  #first; // the delta that creates it

  constructor(value, clock = Clocks.DEFAULT, customClockValue = 0) {
    super();
    this.setWithClock(value, clock, customClockValue);
    this.#known = value;
    this.#first = this.#delta;
  }

  get kind() { return 'lwwregister'; }
  get hasDelta() { return this.#delta !== undefined; }
  get value() { return this.#value; }
  set value(value) { this.setWithClock(value); }

  setWithClock(value, clock = Clocks.DEFAULT, customClockValue = 0) {
    const number = typeof clock === 'string' ? Clocks[clock] : clock;
    if (!Object.values(Clocks).includes(number)) throw new TypeError(`${String(clock)} is not a clock`);
    this.#delta = {
      value: toAny(value), clock: number,
      customClockValue: isCustom(number) ? Long.fromString(String(customClockValue)) : Long.ZERO,
    };
    this.#value = value;
    return this;
  }

  change() { return this.#delta; }
  all() { return this.#delta ?? { value: toAny(this.#value) }; }

  commit() {
    this.#known = this.#value;
    this.#delta = undefined;
    this.#first = undefined;
  }

  revert() {
    this.#value = this.#known;
    this.#delta = this.#first;
  }

  apply({ value }, read) {
    this.#value = read(value);
    this.commit();
  }

  toString() { return `LWWRegister(${this.#value})`; }
}
