/** `lastro findings`: what is wrong anywhere in the installation, and the only way to settle what is no tenant's. */
import { userInfo } from 'node:os';
import { idOf } from '#kernel/ids.ts';
import { changeFinding, type FindingChange, listLiveFindings, readFinding } from '../operator-desk.ts';
import { say, understood } from './environment.ts';
import { givenLimit } from './given-limit.ts';
import { givenReason } from './given-reason.ts';
import { onPool } from './on-installation.ts';

export function listFindings({ limit }: { readonly limit: string }): Promise<void> {
  const rows = understood(() => givenLimit(limit));
  return onPool(async ({ pool }) => {
    const findings = await listLiveFindings(pool, rows);
    for (const { uuid, severity, state, kind, subject, whose, detail } of findings)
      console.log([idOf('fnd', uuid), severity, state, kind, subject, whose, detail].join('\t'));
    if (findings.length === 0) say('none');
  });
}

export function showFinding(id: string): Promise<void> {
  return onPool(async ({ pool }) => {
    const reading = await readFinding(pool, id);
    if (reading === undefined) throw new Error(`there is no finding ${id}`);
    console.log(JSON.stringify(reading, null, 2));
  });
}

export function settleFinding(
  verb: FindingChange,
  id: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  const change = { verb, id, reason: understood(() => givenReason(reason)) };
  return onPool(async ({ url }) => {
    const decided = await changeFinding(url, { ...change, actor: `cli ${userInfo().username}` });
    if (decided === undefined) throw new Error(`there is no finding ${id}`);
    if (!decided.ok) throw new Error(decided.problem.detail);
    say(`${id}, ${decided.value.kind} of ${decided.value.subject}, is ${decided.value.state}`);
  });
}
