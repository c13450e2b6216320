// What the sidecar tells of its Prometheus beside series: rules, targets, metadata, exemplars, TSDB statistics.
// Rules: Thanos pkg/{rules,targets,metadata,exemplars}/prometheus.go and cmd/thanos/sidecar.go: external labels are added, and
// what asks for them is answered here, as Prometheus does not know them. Owns these services.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { GrpcService } from '../../lib/kit/grpc.ts'
import { bounded } from '../../lib/labels/bounded-selector.ts'
import { type Labels, labelValue } from '../../lib/labels/labels.ts'
import { formatSelector, type LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import { parseExpr } from '../../lib/promql/parse/parser.ts'
import { selectorsOf } from '../../lib/promql/parse/selectors-of.ts'
import { type ExemplarsRequest, exemplarsCall, type SeriesExemplars } from '../../lib/storeapi/exemplars.ts'
import { metadataCall, metadataItem } from '../../lib/storeapi/metadata.ts'
import { type PeerCall, type PeerRequest, peerService } from '../../lib/storeapi/peer-call.ts'
import { rulesCall, ruleTypes } from '../../lib/storeapi/rules.ts'
import type { StoreServiceOptions } from '../../lib/storeapi/server.ts'
import { targetStates, targetsCall } from '../../lib/storeapi/targets.ts'
import {
  matcherTypes,
  statusCall,
  type TenantStatistics,
  type TsdbStatisticsRequest,
} from '../../lib/storeapi/tsdb-status.ts'
import type { PeerApi } from '../../lib/storeapi/types.ts'
import type { PrometheusClient } from './prometheus.ts'
import { exemplarsOf, ruleGroupOf, targetsOf, tsdbStatisticsOf } from './prometheus-answers.ts'
import type { PrometheusState } from './prometheus-state.ts'

/** What Info announces of them. */
export const sidecarApis: readonly PeerApi[] = ['rules', 'metadata', 'targets', 'exemplars', 'status']

/** The services, for startGrpc(). Calls fail with `unavailable` while Prometheus is down. */
export function peerServices(
  client: PrometheusClient,
  state: Pick<PrometheusState, 'announced'>,
  options: StoreServiceOptions,
): GrpcService[] {
  const serve = <Request extends PeerRequest, Item>(
    call: PeerCall<Request, Item>,
    ask: (request: Request, external: Labels, signal: AbortSignal) => Promise<readonly Item[]>,
  ) =>
    peerService(
      call,
      async (request, signal) => ({ items: await ask(request, state.announced().labels, signal), warnings: [] }),
      options,
    )
  return [
    serve(rulesCall, async ({ type }, external, signal) => {
      const groups = await client.rules(nameOf(ruleTypes, type, 'rule type'), signal)
      return groups.map((group) => ruleGroupOf(group, external))
    }),
    serve(targetsCall, async (request, external, signal) => {
      const answer = await client.targets(nameOf(targetStates, request.state, 'state of targets'), signal)
      return [targetsOf(answer, external)]
    }),
    serve(metadataCall, async ({ metric, limit }, _external, signal) => {
      const metadata = Object.entries(await client.metadata(metric, signal))
      return [metadataItem(new Map(limit < 0 ? metadata : metadata.slice(0, limit)))]
    }),
    serve(exemplarsCall, (request, external, signal) => exemplars(client, request, external, signal)),
    serve(statusCall, (request, external, signal) => statistics(client, request, external, signal)),
  ]
}

/** As Prometheus's parameter has it; '' for the first, which is no choice. Throws `bad_data`. */
function nameOf(names: readonly string[], index: number, what: string): string {
  const name = names[index]
  if (name === undefined)
    throw new MnemoError('bad_data', `cannot answer: got ${what} ${index}, want below ${names.length}`)
  return index === 0 ? '' : name
}

async function exemplars(
  client: PrometheusClient,
  { query, startMs, endMs }: ExemplarsRequest,
  external: Labels,
  signal: AbortSignal,
): Promise<readonly SeriesExemplars[]> {
  const selectors = selectorsOf(parseExpr(query, anySyntax)).flatMap((matchers) => withoutExternal(matchers, external))
  if (selectors.length === 0) return []
  const answer = await client.exemplars({ query: selectors.map(formatSelector).join(' + '), startMs, endMs }, signal)
  return answer.map((series) => exemplarsOf(series, external))
}

/** Whoever asks has checked it against the flags of its own. */
const anySyntax = {
  experimentalFunctions: true,
  durationExpressions: true,
  extendedRangeSelectors: true,
  fillModifiers: true,
}

/** What is left of a selector for Prometheus; none where the external labels rule it out. */
function withoutExternal(matchers: readonly LabelMatcher[], external: Labels): (readonly LabelMatcher[])[] {
  const left: LabelMatcher[] = []
  for (const matcher of matchers) {
    const value = labelValue(external, matcher.name)
    if (value === '') left.push(matcher)
    else if (!compileMatcher(matcher)(value)) return []
  }
  return [bounded(left)]
}

async function statistics(
  client: PrometheusClient,
  { limit, tenant, matchers }: TsdbStatisticsRequest,
  external: Labels,
  signal: AbortSignal,
): Promise<readonly TenantStatistics[]> {
  const isMeant = matchers.every(({ type, name, value }) => {
    const matcher = { type: matcherTypes[type] ?? '=', name, value }
    return compileMatcher(matcher)(labelValue(external, name))
  })
  // A sidecar has one tenant, without a name.
  if (!isMeant || tenant !== '') return [{ byTenant: new Map() }]
  const entry = tsdbStatisticsOf(await client.tsdbStatus(limit, signal), limit)
  return [{ byTenant: new Map([['', entry]]) }]
}
