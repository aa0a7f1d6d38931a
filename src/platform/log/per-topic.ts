/** A statement is prepared under its name once per connection, and its text made once per topic. */
import type { Statement } from '../postgres/session.ts';

export function perTopic(make: (topic: string) => Statement): (topic: string) => Statement {
  const made = new Map<string, Statement>();
  return (topic) => {
    const known = made.get(topic) ?? make(topic);
    made.set(topic, known);
    return known;
  };
}
