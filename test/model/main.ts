/**
 * The model checker's command line: `npm run model -- --world NAME`. Exits with 1 on a violation, with 2 on wrong use.
 */
import { parseArgs } from 'node:util';
import { describeBounds, Explorer, type Limits } from './explore.ts';
import { Model } from './model.ts';
import { walk } from './walk.ts';
import { WORLDS, worldNamed } from './worlds.ts';

const USAGE = `npm run model -- --world NAME [--limit-seconds S] [--limit-states N]   every reachable state, breadth first
npm run model -- --world NAME --walks N [--seed S] [--limit-seconds S]  random walks

${WORLDS.map(({ name, about }) => `${name.padEnd(30)} ${about}`).join('\n')}
`;

process.exitCode = main(process.argv.slice(2));

function main(argv: string[]): number {
  let order: Order | null;
  try {
    order = parse(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (order === null) {
    print(USAGE);
    return 0;
  }
  const { model, walks, seed, limits } = order;
  print(`${model.world.name}: ${model.world.about}\n${describeBounds(model)}\n`);
  return walks === undefined ? runSearch(model, limits) : runWalks(model, { ...limits, walks, seed });
}

interface Order {
  readonly model: Model;
  /** Undefined for a search. */
  readonly walks: number | undefined;
  readonly seed: number;
  readonly limits: Limits;
}

/**
 * Null if no world is named.
 * @throws Error for what cannot be done
 */
function parse(argv: string[]): Order | null {
  const { values } = parseArgs({
    args: argv,
    options: {
      world: { type: 'string' },
      walks: { type: 'string' },
      seed: { type: 'string' },
      'limit-seconds': { type: 'string' },
      'limit-states': { type: 'string' },
    },
  });
  if (values.world === undefined) return null;
  const number = (name: Exclude<keyof typeof values, 'world'>): number | undefined => {
    const text = values[name];
    if (text === undefined || /^[1-9]\d{0,14}$/.test(text))
      return text === undefined ? undefined : Number(text);
    throw new Error(`--${name} takes a whole number from 1 on, not ${text}`);
  };
  const seconds = number('limit-seconds');
  const states = number('limit-states');
  return {
    model: new Model(worldNamed(values.world)),
    walks: number('walks'),
    seed: number('seed') ?? 1,
    limits: { ...(seconds === undefined ? {} : { seconds }), ...(states === undefined ? {} : { states }) },
  };
}

function runSearch(model: Model, limits: Limits): number {
  const result = new Explorer(model).run(limits, (states, expanded) => {
    process.stderr.write(`${states} states, ${states - expanded} of them to be expanded\n`);
  });
  const cpu = cpuSeconds();
  print(`${result.isComplete ? 'complete: every reachable state was visited' : 'NOT complete'}
states       ${result.states}
transitions  ${result.transitions}
depth        ${result.depth}
local states ${result.localStates} of single replicas; the core took ${result.coreSteps} inputs
time         ${result.seconds.toFixed(1)} s, ${cpu.toFixed(1)} s of CPU time; ${perSecond(result.states, cpu)} states a CPU second
memory       ${megabytes(result.tableBytes)} MB of states, ${megabytes(process.memoryUsage().rss)} MB in all
collisions   impossible: states are compared whole, not by their hashes
`);
  return report(result);
}

function runWalks(
  model: Model,
  options: { readonly walks: number; readonly seed: number; readonly seconds?: number },
): number {
  const result = walk(model, options);
  const cpu = cpuSeconds();
  print(`walks        ${result.walks}, from seed ${options.seed} on
steps        ${result.steps}, ${perSecond(result.steps, cpu)} a CPU second
committed    ${result.committed} instances
kinds        ${[...result.kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')}
time         ${cpu.toFixed(1)} s of CPU time
`);
  if (result.seed !== null) print(`the walk with seed ${result.seed} failed\n`);
  return report(result);
}

function report({
  violation,
  trace,
}: {
  readonly violation: Error | null;
  readonly trace: readonly string[];
}): number {
  if (violation === null) {
    print('no violation\n');
    return 0;
  }
  print(`VIOLATION ${'property' in violation ? violation.property : ''}: ${violation.message}\n`);
  trace.forEach((step, index) => {
    print(`${String(index + 1).padStart(3)}  ${step}\n`);
  });
  return 1;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function perSecond(count: number, seconds: number): number {
  return Math.round(count / Math.max(seconds, 0.001));
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function print(text: string): void {
  process.stdout.write(text);
}
