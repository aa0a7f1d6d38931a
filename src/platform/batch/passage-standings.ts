/**
 * Where the groups of a passage stand in its partitions, and what lies between its links.
 */
import { InvariantViolation } from '#kernel/fault.ts';
import { findParkedPartitions } from '../dead-letters/parked-keys.ts';
import type { LogEvent } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Session } from '../postgres/session.ts';
import type { Link } from './passage.ts';
import { type Place, readPositions } from './positions.ts';
import { readNew } from './read-new.ts';

/** Most events between two links that are read at a time. */
const LOOK_MAX = 1000;

/** Where one link's group stands in a partition. */
export interface Standing {
  readonly link: Link;
  readonly partition: number;
  position: number;
  turn: number;
  /** Up to where nothing follows the position that the link's stage acts on. */
  cleared: number;
}

/** Apart: an event lies between the links that a stage acts on. Unclear: a head is not known here yet. */
export type Step = 'in step' | 'apart' | 'unclear';

/** The last positions of the passage's topics as a batch found them. */
export type Heads = (topic: string, partition: number) => number;

export interface StandingsOptions {
  readonly links: readonly Link[];
  readonly log: EventLog;
  readonly session: Session;
  readonly concerns: (event: LogEvent) => boolean;
}

export class Standings {
  readonly #options: StandingsOptions;
  readonly #byPartition = new Map<number, readonly Standing[]>();

  constructor(options: StandingsOptions) {
    this.#options = options;
  }

  /**
   * From the database, for these partitions and no others. Returns those that are the stages': in which a group has a parked
   * key, asked behind the positions, so that the answer is as new as they are, or newer and fenced; or has lost a position.
   */
  async read(partitions: () => readonly number[]): Promise<ReadonlySet<number>> {
    const { links, session } = this.#options;
    const groups = [...new Set(links.map(({ group }) => group))];
    const [places, parked] = await Promise.all([
      readPositions(session, groups),
      findParkedPartitions(session, groups),
    ]);
    this.#byPartition.clear();
    const stages = new Set(parked);
    for (const partition of partitions()) {
      const standings = links.flatMap((link) => standingIn(places, link, partition) ?? []);
      if (standings.length === links.length) this.#byPartition.set(partition, standings);
      else stages.add(partition);
    }
    return stages;
  }

  /** Where the partition stands at the link. */
  at(partition: number, link: Link): Standing {
    const standing = this.of(partition).find((each) => each.link === link);
    if (standing === undefined) throw new InvariantViolation(`no standing of ${link.group} in ${link.topic}`);
    return standing;
  }

  /** In the order of the links. */
  of(partition: number): readonly Standing[] {
    const standings = this.#byPartition.get(partition);
    if (standings === undefined) throw new InvariantViolation(`no standing in partition ${partition}`);
    return standings;
  }

  /** As they are now; they move while a batch looks around. */
  heads(partitions: readonly number[]): Heads {
    const { links, log } = this.#options;
    const heads = new Map<string, number>();
    for (const { topic } of links)
      for (const partition of partitions) heads.set(`${topic}/${partition}`, log.tail(topic).head(partition));
    return (topic, partition) => heads.get(`${topic}/${partition}`) ?? 0;
  }

  /**
   * By partition: in step where nothing lies between the links, up to the heads, that a stage acts on. A position beyond
   * its head is one that was committed and not heard of here (a connection lost during the commit): nothing may be
   * concluded from that head.
   */
  async steps(partitions: readonly number[], headOf: Heads): Promise<ReadonlyMap<number, Step>> {
    const steps = new Map<number, Step>();
    for (const partition of partitions)
      steps.set(partition, this.#isBeyond(partition, headOf) ? 'unclear' : 'in step');
    for (const [index, { topic, isEntry }] of this.#options.links.entries()) {
      if (isEntry) continue;
      const standings = partitions.map((partition) => this.of(partition)[index] as Standing);
      for (const { partition } of await this.#actedOn(standings, (of) => headOf(topic, of)))
        steps.set(partition, 'apart');
    }
    return steps;
  }

  #isBeyond(partition: number, headOf: Heads): boolean {
    return this.of(partition).some(
      ({ link, position }) => !link.isEntry && position > headOf(link.topic, partition),
    );
  }

  /** Clears what lies between the standings of one link and the heads; those where an event stands in the way. */
  async #actedOn(
    standings: readonly Standing[],
    headOf: (partition: number) => number,
  ): Promise<ReadonlySet<Standing>> {
    const { log, session } = this.#options;
    const inTheWay = new Set<Standing>();
    const isTrailing = (standing: Standing): boolean =>
      standing.cleared < headOf(standing.partition) && !inTheWay.has(standing);
    for (
      let trailing = standings.filter(isTrailing);
      trailing.length > 0;
      trailing = trailing.filter(isTrailing)
    ) {
      const byPartition = new Map(trailing.map((standing) => [standing.partition, standing]));
      const read = await readNew({
        log,
        session,
        topic: (trailing[0] as Standing).link.topic,
        partitions: [...byPartition.keys()],
        after: (partition) => (byPartition.get(partition) as Standing).cleared,
        room: LOOK_MAX,
      });
      for (const standing of trailing) {
        const events = read.get(standing.partition) ?? [];
        if (!this.#clear(standing, events, headOf(standing.partition))) inTheWay.add(standing);
      }
    }
    return inTheWay;
  }

  /** Whether none of the events, up to the head, is one that the stage acts on. */
  #clear(standing: Standing, events: readonly LogEvent[], head: number): boolean {
    for (const event of events) {
      if (event.position > head) break;
      if (standing.link.handles.has(event.type) && this.#options.concerns(event)) return false;
      standing.cleared = event.position;
    }
    return true;
  }
}

/** Undefined where the group has lost its position. */
function standingIn(places: readonly Place[], link: Link, partition: number): Standing | undefined {
  const place = places.find(
    (candidate) =>
      candidate.group === link.group && candidate.topic === link.topic && candidate.partition === partition,
  );
  if (place === undefined) return undefined;
  const { position, turn } = place;
  return { link, partition, position, turn, cleared: position };
}
