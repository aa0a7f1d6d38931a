/** What becomes of requests to targets that somebody named, over real sockets. */
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Egress, type EgressOptions, type EgressRequest } from './egress.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return (server.address() as AddressInfo).port;
}

/** The port of an HTTP server. */
function serve(listener: RequestListener): Promise<number> {
  return listening(createHttpServer(listener));
}

/** The port of a server that does so with the first bytes that it is sent. */
function serveRaw(onBytes: (socket: Socket) => void): Promise<number> {
  return listening(createServer((socket) => void socket.once('data', () => onBytes(socket))));
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function egress(options: Partial<EgressOptions> = {}): Egress {
  const made = new Egress({ reach: 'anywhere', ...options });
  opened.push(made);
  return made;
}

function to(url: string, more: Partial<EgressRequest> = {}): EgressRequest {
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'text/plain' },
    body: 'hello',
    timeoutMs: 2000,
    ...more,
  };
}

describe('an answer', () => {
  test.each<[number, string]>([
    [200, 'delivered'],
    [204, 'delivered'],
    [301, 'permanent'],
    [307, 'permanent'],
    [400, 'permanent'],
    [404, 'permanent'],
    [410, 'permanent'],
    [408, 'transient'],
    [425, 'transient'],
    [429, 'transient'],
    [500, 'transient'],
    [503, 'transient'],
  ])('of %i is %s', async (status, kind) => {
    const port = await serve((_request, response) => response.writeHead(status).end());
    const outcome = await egress().send(to(`http://127.0.0.1:${port}/`));
    expect(outcome).toMatchObject({ kind, answer: { status } });
    expect(outcome.latencyMs).toBeGreaterThan(0);
  });

  test('U10: that asks for patience says for how long', async () => {
    const port = await serve((_request, response) => response.writeHead(429, { 'retry-after': '7' }).end());
    const outcome = await egress().send(to(`http://127.0.0.1:${port}/`));
    expect(outcome).toMatchObject({ kind: 'transient', retryAfterMs: 7000 });
  });

  test('is kept by its beginning only, and its connection serves the next', async () => {
    const sockets = new Set<Socket>();
    const port = await serve((request, response) => {
      sockets.add(request.socket);
      response.end('x'.repeat(5000));
    });
    const sender = egress();
    const outcome = await sender.send(to(`http://127.0.0.1:${port}/`));
    expect(outcome).toMatchObject({ kind: 'delivered', answer: { isCut: true } });
    expect(outcome.kind === 'delivered' && outcome.answer.body.length).toBe(1024);
    for (let call = 0; call < 5; call++) await sender.send(to(`http://127.0.0.1:${port}/`));
    // A second one is made by who asks before the first has been put back.
    expect(sockets.size).toBeLessThanOrEqual(2);
  });

  test('without an end is an answer all the same', async () => {
    const port = await serve((_request, response) => void response.writeHead(200).write('begun'));
    expect(await egress().send(to(`http://127.0.0.1:${port}/`, { timeoutMs: 200 }))).toMatchObject({
      kind: 'delivered',
      answer: { isBrokenOff: true },
    });
    const endless = await serve((_request, response) => {
      const pour = () => {
        while (response.writable && response.write('x'.repeat(65_536)));
      };
      response.writeHead(200).on('drain', pour);
      pour();
    });
    expect(await egress().send(to(`http://127.0.0.1:${endless}/`))).toMatchObject({
      kind: 'delivered',
      answer: { isCut: true },
    });
  });
});

test('U18: a redirection is not followed', async () => {
  const asked: (string | undefined)[] = [];
  const port = await serve((request, response) => {
    asked.push(request.url);
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  expect(await egress().send(to(`http://127.0.0.1:${port}/hook`))).toMatchObject({ kind: 'permanent' });
  expect(asked).toEqual(['/hook']);
});

describe('without an answer', () => {
  test('a request that never left is transient', async () => {
    const port = await closedPort();
    expect(await egress().send(to(`http://127.0.0.1:${port}/`))).toMatchObject({ kind: 'transient' });
    expect(await egress().send(to('http://nobody.invalid/'))).toMatchObject({ kind: 'transient' });
    // The bytes of the handshake are taken, and nothing is said.
    const silent = await serveRaw(() => undefined);
    const outcome = await egress().send(to(`https://127.0.0.1:${silent}/`, { timeoutMs: 200 }));
    expect(outcome).toMatchObject({ kind: 'transient' });
  });

  test('a request that had left is in doubt', async () => {
    const silent = await serveRaw(() => undefined);
    expect(await egress().send(to(`http://127.0.0.1:${silent}/`, { timeoutMs: 100 }))).toMatchObject({
      kind: 'unknown',
    });
    const cut = await serveRaw((socket) => void socket.resetAndDestroy());
    expect(await egress().send(to(`http://127.0.0.1:${cut}/`))).toMatchObject({ kind: 'unknown' });
  });

  test('a request that cannot be written is permanent', async () => {
    const headers = { 'x-name': 'a\r\nb: c' };
    expect(await egress().send(to('http://127.0.0.1:1/', { headers }))).toMatchObject({ kind: 'permanent' });
  });
});

describe('a destination', () => {
  test('U12: that fails five times in a row is not called for a while, and no other suffers', async () => {
    let calls = 0;
    const port = await serve((_request, response) => {
      calls++;
      response.writeHead(500).end();
    });
    const sender = egress();
    const request = to(`http://127.0.0.1:${port}/`, { destination: 'broken' });
    for (let call = 0; call < 5; call++) await sender.send(request);
    expect(await sender.send(request)).toMatchObject({ kind: 'not_called' });
    expect(sender.room('broken')).toBe(0);
    expect(calls).toBe(5);
    expect(await sender.send({ ...request, destination: 'other' })).toMatchObject({ kind: 'transient' });
  });

  test('that is stopped is forgotten, the first before the last, where too many are to be remembered', async () => {
    const port = await serve((_request, response) => void response.writeHead(500).end());
    const sender = egress({ destinationsMax: 2 });
    const fail = async (destination: string) => {
      for (let call = 0; call < 5; call++)
        await sender.send(to(`http://127.0.0.1:${port}/`, { destination }));
    };
    for (const destination of ['first', 'second', 'third']) await fail(destination);
    expect(['second', 'third'].map((name) => sender.room(name))).toEqual([0, 0]);
    expect(sender.room('first')).toBe(sender.room('never called'));
  });

  test('that is stopped is forgotten beside the few that are not, so that not every new one looks at all', async () => {
    const port = await serve((incoming, response) =>
      response.writeHead(incoming.url === '/fine' ? 200 : 500).end(),
    );
    const sender = egress({ destinationsMax: 11 });
    const send = (path: string, destination: string) =>
      sender.send(to(`http://127.0.0.1:${port}${path}`, { destination }));
    const broken = Array.from({ length: 10 }, (_, each) => `broken ${each}`);
    for (const name of broken) for (let call = 0; call < 5; call++) await send('/', name);
    for (const name of ['first', 'second']) await send('/fine', name);
    expect(broken.filter((name) => sender.room(name) > 0)).toEqual(['broken 0']);
  });

  test('is given a few requests at once, and no more', async () => {
    const port = await serveRaw(() => undefined);
    const sender = egress({ perDestination: 2 });
    const request = to(`http://127.0.0.1:${port}/`, { timeoutMs: 300 });
    const outcomes = await Promise.all([sender.send(request), sender.send(request), sender.send(request)]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['unknown', 'unknown', 'not_called']);
  });
});

describe('U18: the address', () => {
  test.each(['127.0.0.1', '10.0.0.1', '169.254.169.254', '::ffff:127.0.0.1', '::1'])(
    'that a name leads to, %s, is refused outside the sandbox, and no connection is made',
    async (address) => {
      let connections = 0;
      const port = await listening(createServer(() => connections++));
      const sender = egress({
        reach: 'public',
        resolve: async () => [
          { address: '1.1.1.1', family: 4 },
          { address, family: address.includes(':') ? 6 : 4 },
        ],
      });
      const outcome = await sender.send(to(`https://hook.example:${port}/`));
      expect(outcome).toMatchObject({
        kind: 'permanent',
        detail: 'hook.example is not on the public Internet.',
      });
      expect(await sender.refusalOf(`https://hook.example:${port}/`)).toBeDefined();
      expect(connections).toBe(0);
    },
  );

  test('that was good when the target was named is judged again when it is called', async () => {
    let connections = 0;
    const port = await listening(createServer(() => connections++));
    const answers = ['1.1.1.1', '127.0.0.1'];
    const sender = egress({
      reach: 'public',
      resolve: async () => [{ address: answers.shift() ?? '127.0.0.1', family: 4 }],
    });
    const url = `https://hook.example:${port}/`;
    expect(await sender.refusalOf(url)).toBeUndefined();
    expect(await sender.send(to(url))).toMatchObject({ kind: 'permanent' });
    expect(connections).toBe(0);
  });

  test('that was judged is the one that is called: the name is not resolved again', async () => {
    let resolved = 0;
    const sockets = new Set<Socket>();
    const port = await serve((request, response) => {
      sockets.add(request.socket);
      response.end();
    });
    // Nobody else can resolve the name.
    const resolve = async () => {
      resolved++;
      return [{ address: '127.0.0.1', family: 4 }];
    };
    const sender = egress({ resolve });
    for (let call = 0; call < 3; call++)
      expect(await sender.send(to(`http://pinned.invalid:${port}/`))).toMatchObject({ kind: 'delivered' });
    expect(resolved).toBe(sockets.size);
  });

  test('written into the URL is refused outside the sandbox', async () => {
    const sender = egress({ reach: 'public' });
    for (const url of ['https://127.0.0.1/', 'https://[::1]/', 'http://1.1.1.1/'])
      expect(await sender.send(to(url))).toMatchObject({ kind: 'permanent' });
  });
});
