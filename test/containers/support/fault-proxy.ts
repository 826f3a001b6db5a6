/** A TCP proxy in front of one replica that can slow down and cut what passes. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface FaultProxyOptions {
  /** Where it listens; any free port. */
  readonly host: string;
  /** Where it passes connections on to, on the loopback address. */
  readonly targetPort: number;
}

export class FaultProxy {
  /** What passes is held back for this long, in each direction. */
  delayMs = 0;
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #sockets = new Set<Socket>();

  private constructor({ targetPort }: FaultProxyOptions) {
    this.#targetPort = targetPort;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    proxy.#server.listen(0, options.host);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy listens on a TCP port');
    return address.port;
  }

  /** Breaks every connection that is open; new ones are taken. Returns how many there were. */
  cut(): number {
    const sockets = [...this.#sockets];
    for (const socket of sockets) socket.resetAndDestroy();
    return sockets.length / 2;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #accept(near: Socket): void {
    const far = connect(this.#targetPort, '127.0.0.1');
    this.#pass(near, far);
    this.#pass(far, near);
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    const line = new DelayLine(() => this.delayMs);
    from.setNoDelay(true);
    from.on('data', (chunk) => line.add(() => to.writable && to.write(chunk)));
    from.on('end', () => line.add(() => to.end()));
    from.on('error', () => to.resetAndDestroy());
    from.on('close', () => this.#sockets.delete(from));
  }
}

/** Does things after a delay, in the order in which they came also when the delay changes. */
class DelayLine {
  readonly #delayMs: () => number;
  readonly #waiting: { readonly dueMs: number; readonly act: () => void }[] = [];

  constructor(delayMs: () => number) {
    this.#delayMs = delayMs;
  }

  add(act: () => void): void {
    this.#waiting.push({ dueMs: performance.now() + this.#delayMs(), act });
    if (this.#waiting.length === 1) this.#next();
  }

  #next(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const leftMs = first.dueMs - performance.now();
      if (leftMs > 0) {
        setTimeout(() => this.#next(), leftMs);
        return;
      }
      this.#waiting.shift();
      first.act();
    }
  }
}
