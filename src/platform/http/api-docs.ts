import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import { joinPaths } from './join-paths.ts';
import { describeOperation } from './operation-docs.ts';
import { markOptionalBodies } from './optional-bodies.ts';
import { STATIC_HEADERS } from './static-headers.ts';

/** Where the page is; its routes are open to all. */
export const DOCS_PREFIX = '/docs';

/**
 * What Swagger UI needs and no more: its own scripts and styles from this origin, no CDN. It sets style attributes
 * from script, hence 'unsafe-inline' for styles. `upgrade-insecure-requests` is off: the laptop has no TLS.
 */
const DOCS_CSP = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  connectSrc: ["'self'"],
  objectSrc: ["'none'"],
  frameAncestors: ["'none'"],
  upgradeInsecureRequests: null,
};

/** Collects the routes that are registered after it into the OpenAPI document. */
export async function registerOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lastro',
        version,
        description:
          'A self-hosted payments core. Refusals are problem details (RFC 9457) with a stable `code`. A body is read strictly: a member that is not described here, a name that stands twice, a number that a double does not keep and a text with a NUL or half a surrogate pair are refused.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: { api_key: { type: 'http', scheme: 'bearer', bearerFormat: 'lk_<id>_<secret>' } },
      },
      security: [{ api_key: [] }],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json['$id'] === 'string' ? json['$id'] : `schema_${index}`,
    },
    transform: ({ schema, url, route }) => ({ schema: describeOperation(schema, route.config), url }),
    transformObject: (made) => {
      if ('swaggerObject' in made) return made.swaggerObject;
      markOptionalBodies(made.openapiObject);
      joinPaths(made.openapiObject);
      return made.openapiObject;
    },
  });
}

/** `/openapi.json`, and the page. The document is made when it is first asked for: by then every route is registered. */
export async function registerDocsPages(app: FastifyInstance): Promise<void> {
  let document: string | undefined;
  app.get('/openapi.json', { config: { open: true }, schema: { hide: true } }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    reply.header('content-type', 'application/json; charset=utf-8').send(document);
  });
  await app.register(async (docs) => {
    docs.addHook('onRequest', leaveHeadersToHelmet);
    await docs.register(helmet, {
      contentSecurityPolicy: { useDefaults: false, directives: DOCS_CSP },
      hsts: false,
    });
    await docs.register(swaggerUi, {
      routePrefix: DOCS_PREFIX,
      uiConfig: { layout: 'BaseLayout', deepLinking: true },
      theme: { title: 'Lastro API' },
    });
  });
}

/** The headers of data would forbid the page its scripts. */
const leaveHeadersToHelmet: onRequestHookHandler = (_request, reply, done) => {
  for (const name of Object.keys(STATIC_HEADERS)) reply.removeHeader(name);
  done();
};
