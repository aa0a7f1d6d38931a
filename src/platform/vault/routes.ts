/** The API of secrets: they are given, named, replaced and deleted, and never shown. */
import { Type } from 'typebox';
import { toRfc3339 } from '#kernel/clock.ts';
import { problem } from '#kernel/problem.ts';
import type { HttpApp } from '../http/http-app.ts';
import { contextOf } from '../http/request-context.ts';
import { closed, Instant, ProblemDocument } from '../http/schemas.ts';
import { sendJsonText, sendProblem } from '../http/send.ts';
import { SECRETS_MAX, type Vault } from './vault.ts';

/** What the API names: no colon (V2). */
export const SECRET_NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';
/** A private key in PEM fits. */
const VALUE_MAX = 8192;

const Name = Type.String({ pattern: SECRET_NAME_PATTERN });
const Params = Type.Object({ name: Name });
const Body = closed(
  { value: Type.String({ minLength: 1, maxLength: VALUE_MAX, description: 'Never shown again.' }) },
  'The value of a secret.',
);
const SecretDocument = Type.Object({
  name: Name,
  created_at: Instant,
  updated_at: Instant,
});
const SecretList = Type.Object({ data: Type.Array(SecretDocument), next_cursor: Type.Null() });

const READ = { scope: 'secrets:read' } as const;
const WRITE = { scope: 'secrets:write' } as const;
const REFUSALS = { '4xx': ProblemDocument, 503: ProblemDocument };

export function registerSecretRoutes(app: HttpApp, vault: Vault): void {
  const put = {
    tags: ['secrets'],
    summary: 'Give a secret, or replace it',
    description:
      'Encrypted where it is kept, and used by its name; the next use takes the new value within seconds.',
    params: Params,
    body: Body,
    response: { 204: Type.Null(), ...REFUSALS },
  };
  app.put('/v1/secrets/:name', { config: WRITE, schema: put }, async (request, reply) => {
    const { tenant } = contextOf(request);
    const { name } = request.params;
    const known = await vault.list(tenant);
    if (known.length >= SECRETS_MAX && !known.some((secret) => secret.name === name))
      return sendProblem(reply, problem('secrets.too_many', `There are ${SECRETS_MAX} secrets already.`));
    await vault.put({ tenant, name, value: request.body.value });
    return reply.code(204).send(null);
  });
  const list = {
    tags: ['secrets'],
    summary: 'List secrets by name, without their values',
    response: { 200: SecretList },
  };
  app.get('/v1/secrets', { config: READ, schema: list }, async (request, reply) => {
    const secrets = await vault.list(contextOf(request).tenant);
    const data = secrets.map(({ name, createdAt, updatedAt }) => ({
      name,
      created_at: toRfc3339(createdAt),
      updated_at: toRfc3339(updatedAt),
    }));
    return sendJsonText(reply, { status: 200, body: JSON.stringify({ data, next_cursor: null }) });
  });
  const remove = {
    tags: ['secrets'],
    summary: 'Delete a secret',
    params: Params,
    response: { 204: Type.Null(), 404: ProblemDocument },
  };
  app.delete('/v1/secrets/:name', { config: WRITE, schema: remove }, async (request, reply) => {
    const { tenant } = contextOf(request);
    const { name } = request.params;
    if (!(await vault.delete({ tenant, name })))
      return sendProblem(reply, problem('secrets.not_found', `There is no secret ${name}.`));
    return reply.code(204).send(null);
  });
}
