import { Replicated } from './replicated.js';

/** Off, and once it is on it stays on. */
export class Flag extends Replicated {
  #value = false;
  #isChanged = false;

  get kind() { return 'flag'; }
  get hasDelta() { return this.#isChanged; }
  get value() { return this.#value; }

  enable() {
    if (!this.#value) this.#isChanged = true;
    this.#value = true;
    return this;
  }

  change() { return { value: true }; }
  all() { return { value: this.#value }; }
  commit() { this.#isChanged = false; }

  revert() {
    if (this.#isChanged) this.#value = false;
    this.commit();
  }

  apply({ value }) { this.#value ||= value; }
  toString() { return `Flag(${this.#value})`; }
}
