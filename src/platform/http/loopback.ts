/** Whether an IP address, as the socket or a setting gives it, is this machine only (RFC 1122 §3.2.1.3 g, RFC 4291 §2.5.3). */
export function isLoopbackAddress(address: string): boolean {
  return (
    address === '127.0.0.1' ||
    address === '::1' ||
    address === '::ffff:127.0.0.1' ||
    /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address)
  );
}

/**
 * Whether a `Host` header names this machine by a name that no DNS answer can take over. A page of evil.example
 * whose name was re-bound to 127.0.0.1 still sends `Host: evil.example`, so it is refused here.
 */
export function isLoopbackHost(host: string): boolean {
  return /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i.test(host);
}

/** Whether listening on `host` is reachable from this machine alone. */
export function listensOnLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || isLoopbackAddress(host);
}
