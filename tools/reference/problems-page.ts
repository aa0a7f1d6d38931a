import type { ProblemRegistry } from '#kernel/problem.ts';
import { table } from './table.ts';

/** docs/reference/problems.md, whole: every code that the product can answer or put into a payment's failure. */
export function renderProblemsPage(problems: ProblemRegistry): string {
  const byPrefix = Map.groupBy(Object.entries(problems).toSorted(byCode), ([code]) => prefixOf(code));
  const sections = [...byPrefix].map(([prefix, entries]) => `## ${prefix}\n\n${sectionOf(entries)}`);
  return `# Problems

A refusal is an RFC 9457 document (\`application/problem+json\`). Its \`code\` is one of these and never changes its
meaning; \`type\` is \`/problems/<code>\`, which answers with the same text; \`detail\` tells of this occurrence, and
\`errors\`, where input is at fault, points (RFC 6901) at each field. A payment that was accepted and then ended
\`rejected\`, \`declined\` or \`failed\` has a code of this list in its \`failure\`: the status beside it is then only what
the same refusal would be as an answer.

"Repeat" says whether the same request may succeed later without being changed.

${sections.join('\n\n')}
`;
}

type Entry = [code: string, definition: ProblemRegistry[string]];

function sectionOf(entries: readonly Entry[]): string {
  const rows = entries.map(([code, { status, title, retryable, remedy }]) => [
    `\`${code}\``,
    String(status),
    title,
    retryable ? 'yes' : 'no',
    remedy,
  ]);
  return table(['code', 'status', 'what happened', 'repeat', 'what to do'], rows);
}

function byCode([a]: Entry, [b]: Entry): number {
  return a < b ? -1 : 1;
}

function prefixOf(code: string): string {
  return code.slice(0, code.indexOf('.'));
}
