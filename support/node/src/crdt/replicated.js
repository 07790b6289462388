// What all replicated data types have in common. `kind` is the name of their field in CrdtDelta.
import { serialize } from '../any.js';

/** Elements, keys and values may be anything that can be serialized. */
export const toAny = (value) => serialize(value, { allowPrimitives: true, fallbackToJson: true });

export class Replicated {
  /** True when there is a change that the proxy does not know. */
  get hasDelta() {
    return false;
  }

  /** The change that the proxy does not know, as CrdtDelta; from now on it knows. */
  takeDelta() {
    const delta = this.hasDelta ? { [this.kind]: this.change() } : undefined;
    if (delta) this.commit();
    return delta;
  }

  /** Everything, for a value that is new to the proxy. */
  takeAll() {
    const delta = { [this.kind]: this.all() };
    this.commit();
    return delta;
  }

  /** A change that came from the proxy. read gives the value of an Any. */
  applyDelta(delta, read) {
    if (!delta[this.kind]) throw new Error(`a delta of ${delta.delta ?? 'nothing'} came for a ${this.constructor.name}`);
    this.apply(delta[this.kind], read);
  }
}
