import { Replicated } from './replicated.js';

/** Each member of the cluster votes yes or no. */
export class Vote extends Replicated {
  #own = false;
  #known = false; // the own vote that the proxy has
  #votesFor = 0;
  #totalVoters = 1;

  get kind() { return 'vote'; }
  get hasDelta() { return this.#own !== this.#known; }
  get vote() { return this.#own; }
  get votesFor() { return this.#votesFor; }
  get totalVoters() { return this.#totalVoters; }
  get atLeastOne() { return this.#votesFor > 0; }
  get majority() { return this.#votesFor > this.#totalVoters / 2; }
  get all() { return this.#votesFor === this.#totalVoters; }

  set vote(vote) {
    if (typeof vote !== 'boolean') throw new TypeError('a vote is true or false');
    if (vote === this.#own) return;
    this.#own = vote;
    this.#votesFor += vote ? 1 : -1;
  }

  change() { return { selfVote: this.#own }; }
  takeAll() {
    const delta = { vote: this.change() };
    this.commit();
    return delta;
  }

  commit() { this.#known = this.#own; }
  revert() { this.vote = this.#known; }

  apply({ selfVote, votesFor, totalVoters }) {
    this.#own = selfVote;
    this.#known = selfVote;
    this.#votesFor = votesFor;
    this.#totalVoters = totalVoters;
  }

  toString() { return `Vote(${this.#own}: ${this.#votesFor} of ${this.#totalVoters})`; }
}
