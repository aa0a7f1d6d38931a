/**
 * A chapter of the bench: scenarios whose figures have one form. How they are measured, what counts as a fault, and how they
 * are rendered is in the chapter alone; the rest of the bench reads the list of them (chapters.ts) and knows none by name.
 */
import type { Judgement } from './judgement.ts';
import type { Stage } from './stage.ts';

export interface Scenario {
  readonly name: string;
  /**
   * `always`; `full`: it takes its time however little is asked of it, so a quick run leaves it out; `named`: it is run when
   * it is named.
   */
  readonly runs: 'always' | 'full' | 'named';
  readonly needsProviders?: true;
}

export interface ChapterDefinition<Finding> {
  /** In the order in which a run has them. */
  readonly scenarios: readonly (Scenario & { measure(stage: Stage): Promise<Finding> })[];
  /** What must have held, whatever the speed. */
  faults(findings: readonly Finding[], judgement: Judgement): readonly string[];
  /** The sections of the report, of at least one finding. */
  render(findings: readonly Finding[]): readonly string[];
  /** The members of the JSON result, also when there is no finding. */
  record(findings: readonly Finding[]): Readonly<Record<string, unknown>>;
  /** Payments completed a second, by scenario: what the yardsticks are compared with. */
  completedPerSecond?(findings: readonly Finding[]): ReadonlyMap<string, number>;
}

export interface Chapter {
  readonly scenarios: readonly Scenario[];
  /** For one run: what its scenarios find is kept in it. */
  begin(): ChapterRun;
}

export interface ChapterRun {
  /** Nothing where the scenario is another chapter's. */
  measure(stage: Stage, name: string): Promise<void>;
  faults(judgement: Judgement): readonly string[];
  render(): readonly string[];
  record(): Readonly<Record<string, unknown>>;
  completedPerSecond(): ReadonlyMap<string, number>;
}

export function chapterOf<Finding>(definition: ChapterDefinition<Finding>): Chapter {
  return { scenarios: definition.scenarios, begin: () => beginOf(definition) };
}

function beginOf<Finding>(chapter: ChapterDefinition<Finding>): ChapterRun {
  const findings: Finding[] = [];
  return {
    measure: async (stage, name) => {
      const scenario = chapter.scenarios.find((candidate) => candidate.name === name);
      if (scenario !== undefined) findings.push(await scenario.measure(stage));
    },
    faults: (judgement) => chapter.faults(findings, judgement),
    render: () => (findings.length === 0 ? [] : chapter.render(findings)),
    record: () => chapter.record(findings),
    completedPerSecond: () => chapter.completedPerSecond?.(findings) ?? new Map(),
  };
}

/** For a member of the JSON result that is one thing; of a scenario that was named more than once, all of them. */
export function oneOrAll<Finding>(findings: readonly Finding[]): Finding | readonly Finding[] | undefined {
  return findings.length > 1 ? findings : findings[0];
}
