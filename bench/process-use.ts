/** What processes cost, as the kernel counts it. Linux only. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The kernel's unit of processor time for programs, on every Linux. */
const TICKS_A_SECOND = 100;

/** Processor time of some processes since they started, user and system. @throws if one of them does not run */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which stands in brackets: state, then twelve numbers, the last two of which are ours.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, count) => sum + count, 0) / TICKS_A_SECOND;
}

/** Resident memory of a process. @throws if it does not run */
export function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** The part of it that is the process's own: without files that it has mapped, which the kernel takes back at will. */
export function anonymousMib(pid: number): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** What a directory takes on disk. Files may vanish while they are looked at: the database tidies up. */
export function diskMib(directory: string): number {
  const blocks = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map(
    (name) => statSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0,
  );
  return (blocks.reduce((sum, count) => sum + count, 0) * 512) / (1024 * 1024);
}

export function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
