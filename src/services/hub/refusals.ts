/** What is not there. */
import { problem } from '#kernel/problem.ts';

export function connectorNotFound(name: string) {
  return problem('hub.connector_not_found', `There is no connector ${name}.`);
}

export function integrationNotFound(id: string) {
  return problem('hub.integration_not_found', `There is no integration ${id}.`);
}
