// The querier's web server: API and page below their prefix, redirects, and the log of requests.
// Meaning of the prefixes: Thanos cmd/thanos/query.go and pkg/ui/ui.go. The page's links are relative, so that it works below
// any prefix, also one that a proxy strips. Owns what is where; probes and metrics stay at the root (lib/kit/http.ts).
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from '../../lib/kit/log.ts'
import { logHttpRequests, type RequestLogging } from '../../lib/kit/request-logging.ts'
import type { QueryBackend } from './api/backend.ts'
import { type ApiOptions, registerApi } from './api/routes.ts'
import { cleanPrefix, routePrefixOf, type WebFlags } from './config-web.ts'
import { renderPage } from './page.ts'

export interface WebOptions {
  readonly values: WebFlags
  readonly api: ApiOptions
  readonly logging: RequestLogging
  readonly logger: Logger
  /** Until then no store has been asked what it has, and each would count as missing: what comes earlier waits. */
  readonly storesAsked: Promise<void>
}

export function registerWeb(app: FastifyInstance, backend: QueryBackend, options: WebOptions): void {
  const { values, api, logging, logger, storesAsked } = options
  const prefix = routePrefixOf(values)
  logHttpRequests(app, logging.http, logger)
  app.register(
    async (scope) => {
      scope.addHook('onRequest', () => storesAsked)
      registerApi(scope, backend, { ...api, cors: !values.disableCors })
      const page = { prefixTrailingSlash: 'slash', handler: renderTo } as const
      scope.route({ method: 'GET', url: '/', ...page })
      scope.route({ method: 'GET', url: '/graph', handler: renderTo })
    },
    { prefix },
  )
  if (prefix === '') return
  for (const url of ['/', prefix])
    app.get(url, (request, reply) => reply.redirect(`${userPrefixOf(request, values)}/`, 302))

  function renderTo(_request: unknown, reply: { type(type: string): { send(body: string): unknown } }) {
    return reply.type('text/html; charset=utf-8').send(renderPage(backend.stores(), { isAtRoot: prefix === '' }))
  }
}

/** Where users find API and page. */
function userPrefixOf({ headers }: FastifyRequest, values: WebFlags): string {
  const { externalPrefix, prefixHeader } = values
  if (externalPrefix !== '') return cleanPrefix(externalPrefix) ?? ''
  const said = prefixHeader === '' ? undefined : headers[prefixHeader.toLowerCase()]
  return (typeof said === 'string' ? cleanPrefix(said) : undefined) ?? routePrefixOf(values)
}
