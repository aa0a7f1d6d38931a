import { type AddressInfo, createServer } from 'node:net';

const HOST = '127.0.0.1';

/** A port of 127.0.0.1 that was free a moment ago; the caller must be ready to lose it to somebody else. */
export function findFreePort(): Promise<number> {
  return probePort({ host: HOST, port: 0 });
}

export function isPortFree(port: number): Promise<boolean> {
  return probePort({ host: HOST, port }).then(
    () => true,
    () => false,
  );
}

/**
 * Listens there for a moment. Rejects with the system's error where that cannot be done.
 * @returns the port, which is any that is free for 0
 */
export async function probePort({ host, port }: { host: string; port: number }): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const address = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return address.port;
}
