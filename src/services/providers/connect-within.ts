import { buildConnector, errors } from 'undici';

/**
 * Connections that are made in time, or fail as ConnectTimeoutError. By a timer of our own: undici's looks at its clock
 * every half a second, and is up to a second late, when whoever waits has given the request up as one that may have left.
 */
export function connectWithin(timeoutMs: number): buildConnector.connector {
  // Its late timer ends what is still being connected then.
  const connect = buildConnector({ allowH2: false, timeout: timeoutMs });
  return (options, callback) => {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      callback(new errors.ConnectTimeoutError(`no connection within ${timeoutMs} ms`), null);
    }, timeoutMs);
    connect(options, (...made) => {
      clearTimeout(timer);
      if (isOver) made[1]?.destroy();
      else callback(...made);
    });
  };
}
