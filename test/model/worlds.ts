/**
 * The worlds by name. Those for three replicas are small enough to be searched to the end; where that needed a
 * bound besides the budgets, `about` says which. Those for five are searched as far as patience goes, and walked through.
 */
import { EVERYTHING } from '../../src/epaxos/index.ts';
import { ADVANCE, COPY } from './effects.ts';
import type { World, WorldCommand } from './model.ts';

/**
 * Writes of one key: "a1 b2" is a at replica 1 and b at replica 2; "?" makes it a read, "*" one of everything, and "!" one of
 * another key.
 */
function commands(text: string): WorldCommand[] {
  return text.split(' ').map((word) => {
    const match = /^(\??)([*!]?)([a-z])(\d)$/.exec(word);
    if (match === null) throw new Error(`${word} is no command`);
    const [, read = '', what = '', label = '', at] = match;
    const key = what === '*' ? EVERYTHING : what === '!' ? 'y' : 'x';
    return { label, at: Number(at), key: `${read}${key}` };
  });
}

/** The same, where a write of everything is the end of a generation, and the writes of a key are copies of one request. */
function copiesAndAdvance(text: string): WorldCommand[] {
  return commands(text).map((command) => ({
    ...command,
    operation: command.key === EVERYTHING ? ADVANCE : COPY,
  }));
}

const SMALL = {
  replicas: 3,
  followers: 'ring',
  recoveries: { total: 1, perInstance: 1 },
  crashes: 0,
  timeouts: true,
} as const;

export const WORLDS: readonly World[] = [
  {
    ...SMALL,
    name: 'n3-one-command',
    about: 'one command, any follower, one recovery by anybody',
    commands: commands('a1'),
    followers: 'any',
  },
  {
    ...SMALL,
    name: 'n3-two-recoveries',
    about: 'one command, two recoveries, each by the coordinator or its follower; no timeouts',
    commands: commands('a1'),
    recoveries: { total: 2, perInstance: 2, by: [1, 2] },
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n3-two-without-recovery',
    about: 'two interfering commands of two coordinators, any follower, no recovery',
    commands: commands('a1 b2'),
    followers: 'any',
    recoveries: { total: 0, perInstance: 0 },
  },
  {
    ...SMALL,
    name: 'n3-two-coordinators',
    about:
      'two interfering commands of two coordinators, one recovery of either by anybody; the follower is the next in the ring',
    commands: commands('a1 b2'),
  },
  {
    ...SMALL,
    name: 'n3-one-coordinator-two-slots',
    about:
      'two interfering commands of one coordinator, open at the same time, one recovery of either by anybody',
    commands: commands('a1 b1'),
  },
  {
    ...SMALL,
    name: 'n3-queue',
    about:
      'the same two commands through the queue: the second waits, and what a no-op displaced is proposed again; no timeouts',
    commands: commands('a1 b1'),
    queued: true,
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n3-crash-restart',
    about: 'two interfering commands of two coordinators, one crash of anybody, no recovery',
    commands: commands('a1 b2'),
    recoveries: { total: 0, perInstance: 0 },
    crashes: 1,
  },
  {
    ...SMALL,
    name: 'n3-crash-recovery',
    about: 'one command, any follower, one crash and one recovery by anybody',
    commands: commands('a1'),
    followers: 'any',
    crashes: 1,
  },
  {
    ...SMALL,
    name: 'n3-thrifty',
    about: 'as n3-two-without-recovery, thrifty: the follower alone is asked, the other one after a timeout',
    commands: commands('a1 b2'),
    followers: 'any',
    recoveries: { total: 0, perInstance: 0 },
    thrifty: true,
  },
  {
    ...SMALL,
    name: 'n3-thrifty-recovery',
    about: 'as n3-crash-recovery, thrifty',
    commands: commands('a1'),
    followers: 'any',
    crashes: 1,
    thrifty: true,
  },
  {
    ...SMALL,
    name: 'n3-early',
    about: 'one command, any follower, PreAccepts leave early, one crash and one recovery by anybody',
    commands: commands('a1'),
    followers: 'any',
    crashes: 1,
    reservedSlots: 2,
  },
  {
    ...SMALL,
    name: 'n3-early-restart',
    about:
      'two interfering commands of two coordinators, PreAccepts leave early, one crash and one recovery by anybody',
    commands: commands('a1 b3'),
    crashes: 1,
    reservedSlots: 1,
  },
  {
    ...SMALL,
    name: 'n3-early-four',
    about: 'for walks: as n3-four-commands, PreAccepts leave early',
    commands: commands('a1 b2 c3 ?d1'),
    followers: 'any',
    recoveries: { total: 6, perInstance: 2 },
    crashes: 2,
    reservedSlots: 1,
  },
  {
    ...SMALL,
    name: 'n3-prompt',
    about:
      'one command, both followers answer at once, PreAccepts leave early, one crash and one recovery by anybody',
    commands: commands('a1'),
    crashes: 1,
    reservedSlots: 2,
    promptInstances: 1,
  },
  {
    ...SMALL,
    name: 'n3-prompt-restart',
    about:
      'two interfering commands of two coordinators, both followers answer at once, PreAccepts leave early, one crash of anybody and one recovery by replica 3; no timeouts',
    commands: commands('a1 b3'),
    recoveries: { total: 1, perInstance: 1, by: [3] },
    crashes: 1,
    timeouts: false,
    reservedSlots: 1,
    promptInstances: 1,
  },
  {
    ...SMALL,
    name: 'n3-prompt-four',
    about:
      'for walks: as n3-early-four, both followers answer at once to all but the second of two open instances',
    commands: commands('a1 b2 c3 ?d1'),
    recoveries: { total: 6, perInstance: 2 },
    crashes: 2,
    reservedSlots: 1,
    promptInstances: 1,
  },
  {
    ...SMALL,
    name: 'n3-four-commands',
    about: 'for walks: four commands, a read among them, two ballots an instance, two crashes',
    commands: commands('a1 b2 c3 ?d1'),
    followers: 'any',
    recoveries: { total: 6, perInstance: 2 },
    crashes: 2,
  },
  {
    ...SMALL,
    name: 'n3-wide-without-recovery',
    about: 'a write of everything and a write of a key, of two coordinators, any follower, no recovery',
    commands: commands('*a1 b2'),
    followers: 'any',
    recoveries: { total: 0, perInstance: 0 },
  },
  {
    ...SMALL,
    name: 'n3-wide-row',
    about:
      'writes of two keys of one coordinator and a write of everything of another, no recovery, no timeouts',
    commands: commands('b1 !c1 *a2'),
    recoveries: { total: 0, perInstance: 0 },
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n3-wide-read',
    about:
      'a write and a read of a key of one coordinator and a read of everything of another, no recovery, no timeouts',
    commands: commands('b1 ?!c1 ?*a2'),
    recoveries: { total: 0, perInstance: 0 },
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n3-wide-recovery',
    about:
      'a write of everything and a write of a key, of two coordinators, one recovery of either by replica 3; no timeouts',
    commands: commands('*a1 b2'),
    recoveries: { total: 1, perInstance: 1, by: [3] },
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n3-wide-restart',
    about:
      'a write of everything and a write of a key, of two coordinators, one crash of anybody, no recovery',
    commands: commands('*a1 b2'),
    recoveries: { total: 0, perInstance: 0 },
    crashes: 1,
  },
  {
    ...SMALL,
    name: 'n3-wide-four',
    about:
      'for walks: a write and a read of everything, writes of two keys, two ballots an instance, two crashes, PreAccepts leave early',
    commands: commands('*a1 b2 !c3 ?*d1'),
    followers: 'any',
    recoveries: { total: 6, perInstance: 2 },
    crashes: 2,
    reservedSlots: 1,
  },
  {
    ...SMALL,
    name: 'n3-generation',
    about:
      'two copies of one request of two coordinators, and the end of a generation after which they come too late; no recovery, no timeouts',
    commands: copiesAndAdvance('a1 *b1 c2'),
    recoveries: { total: 0, perInstance: 0 },
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n3-generation-restart',
    about:
      'for walks: the same of three coordinators, one recovery each, two crashes, PreAccepts leave early',
    commands: copiesAndAdvance('a1 *b3 c2'),
    followers: 'any',
    recoveries: { total: 3, perInstance: 1 },
    crashes: 2,
    reservedSlots: 1,
  },
  {
    ...SMALL,
    name: 'n5-wide-two',
    about: 'a write of everything and a write of a key, one recovery each; too large to complete',
    replicas: 5,
    commands: commands('*a1 b2'),
    recoveries: { total: 2, perInstance: 1 },
  },
  {
    ...SMALL,
    name: 'n5-wide-four',
    about:
      'for walks: a write and a read of everything, writes of two keys, two ballots an instance, one crash',
    replicas: 5,
    commands: commands('*a1 b2 !c3 ?*d1'),
    recoveries: { total: 8, perInstance: 2 },
    crashes: 1,
  },
  {
    ...SMALL,
    name: 'n5-one-command',
    about: 'one command, one recovery by replica 2, no timeouts',
    replicas: 5,
    commands: commands('a1'),
    recoveries: { total: 1, perInstance: 1, by: [2] },
    timeouts: false,
  },
  {
    ...SMALL,
    name: 'n5-two-commands',
    about: 'two interfering commands of two coordinators, one recovery each; too large to complete',
    replicas: 5,
    commands: commands('a1 b2'),
    recoveries: { total: 2, perInstance: 1 },
  },
  {
    ...SMALL,
    name: 'n5-three-commands',
    about: 'for walks: three commands, two ballots an instance',
    replicas: 5,
    commands: commands('a1 b2 c3'),
    recoveries: { total: 6, perInstance: 2 },
  },
  {
    ...SMALL,
    name: 'n5-four-commands',
    about: 'for walks: four commands, a read among them, two ballots an instance, one crash',
    replicas: 5,
    commands: commands('a1 b2 c3 ?d1'),
    recoveries: { total: 8, perInstance: 2 },
    crashes: 1,
  },
  {
    ...SMALL,
    name: 'n5-thrifty',
    about: 'for walks: as n5-four-commands, thrifty',
    replicas: 5,
    commands: commands('a1 b2 c3 ?d1'),
    recoveries: { total: 8, perInstance: 2 },
    crashes: 1,
    thrifty: true,
  },
];

/** @throws Error for a name that no world has */
export function worldNamed(name: string): World {
  const world = WORLDS.find((each) => each.name === name);
  if (world === undefined)
    throw new Error(`no world ${name}; there are ${WORLDS.map((each) => each.name).join(', ')}`);
  return world;
}
