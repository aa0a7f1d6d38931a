import type { CARD_TRANSACTION } from '#sagas/card-transaction.ts';
import { definitionName, outcomesOf, type SagaDefinition, type Stage } from '#sagas/saga.ts';
import { table } from './table.ts';

/** docs/reference/sagas.md, whole: what every saga passes, drawn and listed from the definitions. */
export function renderSagasPage(sagas: readonly SagaDefinition[], card: typeof CARD_TRANSACTION): string {
  return `# Sagas

What a payment or a refund passes, by its method, a message through a connector, and what a card transaction may come to. Drawn
and listed from the definitions in \`src/sagas\`, which the coordinator, the verdicts, the proof and the timelines read too. Every arrow is an event, from the stage that says it to
the stage that it makes due. A report leaves its stage due. After an event marked * a stage says nothing if it has been
said already. Deadlines between our own services raise a finding and undo nothing; a stage that waits for the outside
says itself when its time is over, and goes on waiting.

${[...sagas.map(sectionOf), cardSectionOf(card)].join('\n\n')}
`;
}

function sectionOf(saga: SagaDefinition): string {
  const parts = [
    `## \`${definitionName(saga)}\``,
    diagramOf(saga),
    table(
      ['stage', 'service', 'after', 'succeeds by', 'else', 'reports', 'deadline', 'undone by'],
      saga.stages.map((stage) => rowOf(saga, stage)),
    ),
    endingsOf(saga),
    ...incidentsOf(saga),
  ];
  return parts.join('\n\n');
}

/** Of events only: no stage of it is another service's. */
function cardSectionOf({ name, version, stages }: typeof CARD_TRANSACTION): string {
  return [
    `## \`${name}/${version}\``,
    'Each stage is one event in one commit with what it posts; none waits for another. The holder is told behind it.',
    table(
      ['stage', 'event', 'of what is', 'posts', 'the holder is told'],
      stages.map(({ name: stage, event, after, posts, isNotified }) => [
        stage,
        code(event),
        after,
        posts === null ? '' : code(posts),
        isNotified ? 'yes' : 'no',
      ]),
    ),
  ].join('\n\n');
}

function rowOf(saga: SagaDefinition, stage: Stage): string[] {
  const { name, service, after, success, failures, reports = [], undoes, lapsesAfter = [] } = stage;
  return [
    undoes === undefined ? name : `${name} (is \`${undoes}\`)`,
    service,
    after.map((type) => (lapsesAfter.includes(type) ? `${code(type)} *` : code(type))).join(', '),
    code(success),
    failures.map(code).join(', '),
    reports.map(code).join(', '),
    deadlineOf(stage),
    undoingOf(saga, stage),
  ];
}

function deadlineOf({ deadlineMs, waitsFor }: Stage): string {
  const seconds = `${deadlineMs / 1000} s`;
  return waitsFor === 'outside' ? `${seconds}, waits for the outside` : seconds;
}

function undoingOf({ stages }: SagaDefinition, { compensation }: Stage): string {
  if (compensation === undefined) return '';
  const doer = stages.find(({ undoes }) => undoes === compensation);
  return `\`${compensation}\`${doer === undefined ? '' : ` (${doer.name})`}`;
}

function endingsOf(saga: SagaDefinition): string {
  const { endings, standings, corrections, interventions, stages } = saga;
  const isTold = stages.some(({ service }) => service === 'notification');
  const sentences = [
    `It ends by ${listOf(statusesOf(endings))}${isTold ? ', and each end is told of' : ''}.`,
    `While it runs it may be ${listOf(statusesOf(standings))}.`,
    ...Object.entries(corrections).map(
      ([type, corrected]) =>
        `${code(type)} may come after ${code(corrected)}, and corrects it; no other end comes after one.`,
    ),
    interventions.length === 0 ? '' : `Persons change its way by ${listOf(interventions.map(code))}.`,
  ];
  return sentences.filter((sentence) => sentence !== '').join('\n');
}

function statusesOf(statuses: Readonly<Record<string, string>>): string[] {
  return Object.entries(statuses).map(([type, status]) => `${code(type)} (\`${status}\`)`);
}

function incidentsOf({ incidents }: SagaDefinition): string[] {
  const kinds = Object.entries(incidents).map(([type, kind]) => `${code(type)} (\`${kind}\`)`);
  if (kinds.length === 0) return [];
  return [
    `At any time it may meet ${listOf(kinds)}: a finding is kept, and the verdict does not depend on it.`,
  ];
}

function listOf(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`;
}

function code(type: string): string {
  return `\`${type}\``;
}

/** Stages are boxes, events are arrows; what persons ask comes from outside, and ends are rounded. */
function diagramOf(saga: SagaDefinition): string {
  const { begins, interventions, stages, endings } = saga;
  // Every end is told of in the same way: drawn it would only hide the rest.
  const drawn = stages.filter(({ service }) => service !== 'notification');
  const lines = [
    ...drawn.map((stage) => `  ${nodeOf(stage)}["${stage.name}<br/><i>${stage.service}</i>"]`),
    `  begin(("request"))`,
    ...(interventions.length === 0 ? [] : [`  person(("person"))`]),
    ...Object.entries(endings).map(([type, status]) => `  ${idOf(type)}(["${status}"])`),
    ...arrowsFrom(saga, 'begin', [begins]),
    ...arrowsFrom(saga, 'person', interventions),
    ...drawn.flatMap((stage) => arrowsFrom(saga, nodeOf(stage), outcomesOf(stage))),
  ];
  return ['```mermaid', 'flowchart TD', ...lines, '```'].join('\n');
}

/** To the stages that the events make due, or to the end that they are. */
function arrowsFrom(saga: SagaDefinition, from: string, types: readonly string[]): string[] {
  const arrows = new Map<string, string[]>();
  for (const type of types) {
    for (const to of targetsOf(saga, type)) arrows.set(to, [...(arrows.get(to) ?? []), type]);
  }
  return [...arrows].map(([to, events]) => `  ${from} -->|"${events.join('<br/>')}"| ${to}`);
}

function targetsOf({ endings, stages }: SagaDefinition, type: string): string[] {
  if (type in endings) return [idOf(type)];
  return stages.filter(({ after }) => after.includes(type)).map(nodeOf);
}

function nodeOf({ name }: Stage): string {
  return `stage_${name.replaceAll(' ', '_')}`;
}

function idOf(type: string): string {
  return `end_${type.replaceAll('.', '_')}`;
}
