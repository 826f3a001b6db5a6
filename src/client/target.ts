/** What failover, and the choice between endpoints, need of one. */
import type { Request } from './request.ts';
import type { MeasuredDistance } from './round-trip.ts';

/** How far a request had come at an endpoint when it was taken back; only `sent` ones may have been applied. */
export type Progress = 'connecting' | 'queued' | 'sent';

/** Its round trip is the shortest measured lately. */
export interface Target extends MeasuredDistance {
  readonly address: string;
  /** When it last served any request, on the clock of performance.now(); minus infinity before the first. */
  readonly lastServedMs: number;
  /** Takes the request over: it is answered, fails, or is taken back. None of that happens within this call. */
  send(request: Request): void;
  /** Lets go of a request that it was sent; an answer that still comes is ignored. */
  takeBack(request: Request, reason: 'timeout' | 'cancel'): Progress;
}
