import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Where the ranks of one machine meet. */
const PORTS = { from: 20_000, to: 32_000 };

/** A port that nobody listens at, below those that systems give to connections: it is taken only seconds later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const isFree = await new Promise<boolean>((settle) => {
      server.once('error', () => settle(false)).once('listening', () => settle(true));
      server.listen(randomInt(PORTS.from, PORTS.to), '127.0.0.1');
    });
    if (!isFree) continue;
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    return port;
  }
}
