/** The worlds by name. */
import type { World } from './model.ts';

const base = {
  replicas: 3,
  followers: 'any',
  recoveries: { total: 1, perInstance: 1 },
  crashes: 0,
  timeouts: true,
} as const;

export const WORLDS: readonly World[] = [
  {
    ...base,
    name: 'n3-one-command',
    about: 'one command, one recovery',
    commands: [{ label: 'a', at: 1, key: 'x' }],
  },
  {
    ...base,
    name: 'n3-two-coordinators',
    about: 'two',
    commands: [
      { label: 'a', at: 1, key: 'x' },
      { label: 'b', at: 2, key: 'x' },
    ],
  },
  {
    ...base,
    name: 'n3-no-recovery',
    about: 'two',
    recoveries: { total: 0, perInstance: 1 },
    commands: [
      { label: 'a', at: 1, key: 'x' },
      { label: 'b', at: 2, key: 'x' },
    ],
  },
];
