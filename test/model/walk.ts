/**
 * Random walks: for worlds too large to search. Each walk draws how lossy and how patient its world is, then
 * takes steps until nothing is left to do; every state on the way is checked. No copies and no table of states: a step costs what
 * the core costs.
 */
import { type Message, type ReplicaId, replicaIds } from '../../src/epaxos/index.ts';
import { Prng } from '../../src/util/prng.ts';
import { canonical } from './canonical.ts';
import { describeInput } from './describe.ts';
import { Machine } from './machine.ts';
import type { Model } from './model.ts';
import { forEachMove, type Move, moveCode, type Step, type Summary, summarize } from './moves.ts';
import { checkProperties, type Facts } from './properties.ts';
import { asViolation, type Violation } from './violation.ts';

export interface WalkResult {
  readonly walks: number;
  readonly steps: number;
  readonly committed: number;
  /** How often each kind of step was taken; a delivery by the type of its message. */
  readonly kinds: ReadonlyMap<string, number>;
  readonly violation: Violation | null;
  /** The seed of the walk that failed. */
  readonly seed: number | null;
  /** The steps that lead to the violation, without those that do not matter. */
  readonly trace: readonly string[];
}

interface Mail {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: Message;
}

/** How a walk's world behaves; all of them weights or probabilities. */
interface Temper {
  readonly loss: number;
  readonly duplication: number;
  readonly proposing: number;
  readonly impatience: number;
  readonly recovering: number;
  readonly crashing: number;
  /** The chance that the newest message comes next instead of any. */
  readonly haste: number;
  /** The chance, at each step, that another group of replicas is connected from now on; 0: all are, always. */
  readonly regrouping: number;
}

const MAX_STEPS = 500;
/** The weight of an answer that waited for a tick; that of all deliveries together is 1. */
const ANSWERING = 0.2;

/** Walk number i has the seed `seed` + i, so that one that failed can be repeated alone. */
export function walk(
  model: Model,
  options: { readonly walks: number; readonly seed: number; readonly seconds?: number },
): WalkResult {
  const startedAt = performance.now();
  let steps = 0;
  let walks = 0;
  let committed = 0;
  const kinds = new Map<string, number>();
  for (; walks < options.walks; walks += 1) {
    if (performance.now() - startedAt > 1_000 * (options.seconds ?? Number.POSITIVE_INFINITY)) break;
    const seed = options.seed + walks;
    const one = new Walk(model, seed);
    const violation = one.run();
    steps += one.steps.length;
    committed += one.committed;
    for (const { input } of one.steps) {
      const kind = input.type === 'deliver' ? input.message.type : input.type;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    if (violation !== null) {
      const shortest = shorten(model, one.steps, violation);
      const trace = shortest.map(({ at, input }) => describeInput(model, at, input));
      return { walks: walks + 1, steps, committed, kinds, violation, seed, trace };
    }
  }
  return { walks, steps, committed, kinds, violation: null, seed: null, trace: [] };
}

class Walk {
  readonly model: Model;
  readonly steps: Step[] = [];
  readonly #prng: Prng;
  readonly #cluster: Cluster;
  readonly #temper: Temper;
  #mail: Mail[] = [];
  /** Who is connected now. */
  #group: ReadonlySet<ReplicaId>;

  constructor(model: Model, seed: number) {
    this.model = model;
    this.#prng = new Prng(Math.imul(seed, 0x9e3779b1));
    this.#cluster = new Cluster(model);
    this.#group = new Set(replicaIds(model.world.replicas));
    this.#temper = {
      loss: this.#pick([0, 0, 0.05, 0.2]),
      duplication: this.#pick([0, 0.1, 0.3]),
      proposing: this.#pick([0.03, 0.1, 1]),
      impatience: this.#pick([0, 0.02, 0.1]),
      recovering: this.#pick([0.02, 0.1, 0.5]),
      crashing: this.#pick([0.01, 0.05]),
      haste: this.#pick([0, 0.5, 0.9, 0.98]),
      regrouping: this.#pick([0, 0.05, 0.1, 0.2]),
    };
  }

  /** Instances that were committed somewhere. */
  get committed(): number {
    return new Set(this.#cluster.machines.flatMap(({ history }) => [...history.committed.keys()])).size;
  }

  run(): Violation | null {
    try {
      while (this.steps.length < MAX_STEPS) {
        const step = this.#draw();
        if (step === null) break;
        this.steps.push(step);
        for (const mail of this.#cluster.take(step))
          if (this.#prng.next() >= this.#temper.loss) this.#mail.push(mail);
      }
      return null;
    } catch (error) {
      return asViolation(error);
    }
  }

  #draw(): Step | null {
    if (this.#prng.next() < this.#temper.regrouping) this.#regroup();
    const step = this.#drawInGroup();
    if (step !== null) return step;
    this.#group = new Set(replicaIds(this.model.world.replicas));
    return this.#drawInGroup();
  }

  #drawInGroup(): Step | null {
    const group = this.#group;
    const { proposing, recovering, impatience, crashing } = this.#temper;
    const weights = {
      propose: proposing,
      answer: ANSWERING,
      recover: recovering,
      expire: impatience,
      crash: crashing,
    };
    const moves: { readonly weight: number; readonly step: Step }[] = [];
    let total = 0;
    this.#cluster.forEachMove((at, input) => {
      if (!group.has(at)) return;
      moves.push({ weight: weights[input.type], step: { at, input } });
      total += weights[input.type];
    });
    const deliverable: number[] = [];
    this.#mail.forEach(({ from, to }, index) => {
      if (group.has(from) && group.has(to)) deliverable.push(index);
    });
    if (deliverable.length > 0 && this.#prng.next() * (total + 1) >= total) return this.#deliver(deliverable);
    let at = this.#prng.next() * total;
    for (const { weight, step } of moves) {
      at -= weight;
      if (at < 0) return step;
    }
    return deliverable.length > 0 ? this.#deliver(deliverable) : null;
  }

  #deliver(deliverable: readonly number[]): Step {
    const isHasty = this.#prng.next() < this.#temper.haste;
    const index = (isHasty ? deliverable.at(-1) : this.#pick(deliverable)) ?? 0;
    const mail = this.#mail[index];
    if (mail === undefined) throw new Error('no mail');
    if (this.#prng.next() >= this.#temper.duplication) this.#mail.splice(index, 1);
    return { at: mail.to, input: { type: 'deliver', from: mail.from, message: mail.message } };
  }

  /** All, or a majority with or without some others; the rest neither does nor hears anything. */
  #regroup(): void {
    const ids = replicaIds(this.model.world.replicas);
    const majority = (ids.length + 1) / 2;
    const size = this.#prng.integer(majority, ids.length - 1);
    while (ids.length > size) ids.splice(this.#prng.integer(0, ids.length - 1), 1);
    this.#group = new Set(ids);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#prng.integer(0, choices.length - 1)] as T;
  }
}

/** The replicas of one walk, and the check of what they did. */
class Cluster {
  readonly model: Model;
  readonly machines: readonly Machine[];
  readonly #facts: Facts[];
  readonly #summaries: Summary[];

  constructor(model: Model) {
    this.model = model;
    this.machines = replicaIds(model.world.replicas).map((id) => new Machine(model, id));
    this.#facts = this.machines.map(({ history }) => factsOf(history));
    this.#summaries = this.machines.map(summarize);
  }

  /** @throws Violation, or whatever the core throws */
  take({ at, input }: Step): Mail[] {
    const machine = this.machine(at);
    const envelopes = machine.apply(input);
    const facts = factsOf(machine.history);
    const earlier = this.#facts[at - 1];
    this.#facts[at - 1] = facts;
    this.#summaries[at - 1] = summarize(machine);
    if (facts.committed !== earlier?.committed || facts.logs !== earlier.logs)
      checkProperties(this.model, this.#facts);
    return envelopes.map(({ to, message }) => ({ from: at, to, message }));
  }

  machine(id: ReplicaId): Machine {
    const machine = this.machines[id - 1];
    if (machine === undefined) throw new RangeError(`no replica ${id}`);
    return machine;
  }

  forEachMove(visit: (at: ReplicaId, move: Move) => void): void {
    forEachMove(this.model, this.#summaries, visit);
  }
}

function factsOf({ committed, logs, proposals }: Facts): Facts {
  return { committed, logs, proposals };
}

/** Leaves out steps, one after another, as long as the same property still fails. */
function shorten(model: Model, steps: readonly Step[], violation: Violation): readonly Step[] {
  let shortest = steps;
  for (let isShorter = true; isShorter; ) {
    isShorter = false;
    for (let index = shortest.length - 1; index >= 0; index -= 1) {
      const fewer = shortest.filter((_, at) => at !== index);
      if (replay(model, fewer)?.property !== violation.property) continue;
      shortest = fewer;
      isShorter = true;
    }
  }
  return shortest;
}

/** The violation that the steps lead to; null if they lead to none, or one of them cannot be taken. */
function replay(model: Model, steps: readonly Step[]): Violation | null {
  const cluster = new Cluster(model);
  const sent = new Set<string>();
  const nameOf = (mail: Mail) => `${mail.from}>${mail.to} ${canonical(mail.message, model.names)}`;
  for (const step of steps) {
    const { at, input } = step;
    if (input.type === 'deliver') {
      if (!sent.has(nameOf({ ...input, to: at }))) return null;
    } else {
      let isPossible = false;
      cluster.forEachMove((mover, move) => {
        isPossible ||= mover === at && moveCode(move) === moveCode(input);
      });
      if (!isPossible) return null;
    }
    try {
      for (const mail of cluster.take(step)) sent.add(nameOf(mail));
    } catch (error) {
      return asViolation(error);
    }
  }
  return null;
}
