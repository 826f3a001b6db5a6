/**
 * Breadth-first search through every state that a world can reach, until nothing is new, a limit is reached, or a property fails.
 *
 * The network. A message that was sent stays deliverable for ever: each state holds the set of all messages sent so far,
 * and any of them may come next. That is loss, duplication, delay and reordering without bounds: a lost message is
 * one whose turn never comes, a duplicate one whose turn comes again. Repetitions of requests need no
 * step of their own, for they send what is in the set already; neither does the answer to a Fetch, which is a Commit that its
 * author once sent to everybody.
 *
 * Time. Nothing ticks. Patience may end and recoveries may begin at any moment, within the world's budgets.
 *
 * No reduction by symmetry: the order of ballots and of execution depends on the replicas' numbers, so that exchanging two
 * replicas does not give the same behaviour. And none by partial order: every interleaving is visited.
 */
import { EVERYTHING, formatInstance, replicaIds } from '../../src/epaxos/index.ts';
import { describeInput } from './describe.ts';
import { type LocalState, LocalStates } from './local-states.ts';
import type { Input } from './machine.ts';
import type { Model } from './model.ts';
import { forEachMove, type Move, type Step } from './moves.ts';
import { checkProperties } from './properties.ts';
import { VectorTable } from './vector-table.ts';
import { asViolation, type Violation } from './violation.ts';

export interface Limits {
  readonly seconds?: number;
  readonly states?: number;
}

export interface Exploration {
  /** True if every reachable state was visited. */
  readonly isComplete: boolean;
  readonly states: number;
  readonly transitions: number;
  /** Steps from the start to the farthest state that was visited. */
  readonly depth: number;
  /** Different states of single replicas. */
  readonly localStates: number;
  /** Inputs that the core was given. */
  readonly coreSteps: number;
  readonly seconds: number;
  /** Bytes of the table of states. */
  readonly tableBytes: number;
  readonly violation: Violation | null;
  /** The steps that lead to the violation; as few as possible. */
  readonly trace: readonly string[];
}

/** How many states are expanded between two looks at the clock. */
const SLICE = 4_096;

export class Explorer {
  readonly model: Model;
  readonly locals: LocalStates;
  readonly #seen: VectorTable;
  readonly #seenFacts: VectorTable;
  readonly #at: Uint32Array;
  readonly #factsAt: Uint32Array;
  #expanding = 0;
  #transitions = 0;

  constructor(model: Model) {
    this.model = model;
    const { replicas } = model.world;
    this.locals = new LocalStates(model);
    this.#seen = new VectorTable(replicas);
    this.#seenFacts = new VectorTable(replicas);
    this.#at = new Uint32Array(replicas);
    this.#factsAt = new Uint32Array(replicas);
  }

  /** @param progress called about once a second */
  run(limits: Limits = {}, progress: (states: number, expanded: number) => void = () => {}): Exploration {
    const startedAt = performance.now();
    const elapsed = () => (performance.now() - startedAt) / 1_000;
    for (const id of replicaIds(this.model.world.replicas)) this.#at[id - 1] = this.locals.start(id);
    this.#seen.add(this.#at, 0);
    let depth = 0;
    let layerEnd = 1;
    let violation: Violation | null = null;
    let trace: string[] = [];
    let nextProgress = 1;
    let expanded = 0;
    try {
      for (; expanded < this.#seen.size; expanded += 1) {
        if (expanded === layerEnd) {
          depth += 1;
          layerEnd = this.#seen.size;
        }
        if (expanded % SLICE === 0) {
          const seconds = elapsed();
          if (seconds >= (limits.seconds ?? Number.POSITIVE_INFINITY)) break;
          if (seconds >= nextProgress) {
            progress(this.#seen.size, expanded);
            nextProgress = Math.ceil(seconds) + 1;
          }
        }
        if (this.#seen.size >= (limits.states ?? Number.POSITIVE_INFINITY)) break;
        this.#expanding = expanded;
        this.#seen.read(expanded, this.#at);
        this.#expand();
      }
    } catch (error) {
      violation = asViolation(error);
      trace = this.#trace();
    }
    return {
      isComplete: violation === null && expanded === this.#seen.size,
      states: this.#seen.size,
      transitions: this.#transitions,
      depth,
      localStates: this.locals.states.length,
      coreSteps: this.locals.steps,
      seconds: elapsed(),
      tableBytes: this.#seen.bytes,
      violation,
      trace,
    };
  }

  /** What was tried when a violation was thrown. */
  #attempt: { readonly place: number; readonly input: () => Input } | null = null;

  /** Tries every input in the state `#at`. */
  #expand(): void {
    const { locals } = this;
    const all = Array.from(this.#at, (number) => locals.state(number));
    forEachMove(
      this.model,
      all.map(({ summary }) => summary),
      (at, move) => this.#move(at - 1, move),
    );
    for (let place = 0; place < all.length; place += 1) {
      const to = place + 1;
      const from = this.#at[place] ?? 0;
      const { next } = all[place] as LocalState;
      for (let sender = 0; sender < all.length; sender += 1) {
        const sent = (all[sender] as LocalState).sent[to] as Int32Array;
        for (let index = 0; index < sent.length; index += 1) {
          const mail = sent[index] as number;
          let after = (next[mail] ?? 0) - 1;
          if (after < 0) {
            this.#attempt = { place, input: () => ({ type: 'deliver', ...locals.mail(to, mail) }) };
            after = locals.deliver(from, mail);
          }
          if (after !== from) this.#visit(place, after);
        }
      }
    }
  }

  #move(place: number, input: Move): void {
    this.#attempt = { place, input: () => input };
    const from = this.#at[place] ?? 0;
    const after = this.locals.move(from, input);
    if (after !== from) this.#visit(place, after);
  }

  #visit(place: number, after: number): void {
    this.#transitions += 1;
    const before = this.#at[place] ?? 0;
    this.#at[place] = after;
    const isNew = this.#seen.add(this.#at, this.#expanding);
    if (isNew && this.locals.state(after).facts !== this.locals.state(before).facts) {
      this.#attempt = null;
      this.#check();
    }
    this.#at[place] = before;
  }

  #check(): void {
    for (let place = 0; place < this.#at.length; place += 1) {
      this.#factsAt[place] = this.locals.state(this.#at[place] ?? 0).facts;
    }
    if (!this.#seenFacts.add(this.#factsAt, 0)) return;
    checkProperties(
      this.model,
      Array.from(this.#factsAt, (number) => this.locals.facts[number]).filter((facts) => facts !== undefined),
    );
  }

  /** How the state under way was reached: every step changes exactly one replica, so the parents tell which. */
  #trace(): string[] {
    const steps: string[] = [];
    const after = new Uint32Array(this.#at.length);
    const before = new Uint32Array(this.#at.length);
    let index = this.#attempt === null ? this.#seen.size - 1 : this.#expanding;
    if (this.#attempt !== null) {
      steps.push(describeInput(this.model, this.#attempt.place + 1, this.#attempt.input()));
    }
    while (index > 0) {
      const parent = this.#seen.read(index, after);
      this.#seen.read(parent, before);
      const { at, input } = this.#stepBetween(before, after);
      steps.push(describeInput(this.model, at, input));
      index = parent;
    }
    return steps.reverse();
  }

  #stepBetween(before: Uint32Array, after: Uint32Array): Step {
    const place = after.findIndex((number, at) => number !== before[at]);
    const from = before[place] ?? 0;
    const to = after[place] ?? 0;
    for (const sender of before) {
      for (const mail of this.locals.state(sender).sent[place + 1] ?? []) {
        if (this.locals.state(from).next[mail] !== to + 1) continue;
        return { at: place + 1, input: { type: 'deliver', ...this.locals.mail(place + 1, mail) } };
      }
    }
    const move = this.locals.moveBetween(from, to);
    if (move === null) throw new Error('nothing leads from a state to its successor');
    return { at: place + 1, input: move };
  }
}

/** The bounds of a world, in words. */
export function describeBounds({ world, instances }: Model): string {
  const { replicas, commands, followers, recoveries, crashes, timeouts, queued } = world;
  const parts = [
    `${replicas} replicas`,
    `commands ${commands.map(({ label, at, key }) => `${label} on ${describeKey(key)} at ${at}`).join(', ')}`,
    replicas === 3 ? `designated follower: ${followers}` : '',
    `${recoveries.total} recoveries, at most ${recoveries.perInstance} an instance${recoveries.by ? `, by ${recoveries.by}` : ''}`,
    `${crashes} crashes`,
    timeouts ? 'timeouts of the fast path' : 'no timeouts of the fast path',
    queued ? 'through the queue' : 'proposed at any moment',
    `instances ${instances.map(formatInstance).join(' ')}`,
    'any loss, duplication and reordering',
  ];
  return parts.filter((part) => part !== '').join('; ');
}

function describeKey(key: string): string {
  return key === EVERYTHING || key === `?${EVERYTHING}` ? `${key}everything` : key;
}
