// The routes /api/v1/targets and /api/v1/scrape_pools: what all Prometheus behind the querier scrape.
// Specification: Prometheus 3.14, web/api/v1/api.go (targets, scrapePools); a wrong state is an error, as in Thanos.
// Owns their parameters and the JSON.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { compareStrings, labelsToObject } from '../../../lib/labels/labels.ts'
import {
  type ActiveTarget,
  type DroppedTarget,
  mergeTargets,
  type TargetState,
  targetHealths,
  targetStates,
  targetsCall,
} from '../../../lib/storeapi/targets.ts'
import { formatTimestampNs } from '../../../lib/storeapi/timestamps.ts'
import type { Params } from './params.ts'
import { type PeerRouteCall, replicaLabelsOf, strategyOf } from './peers.ts'
import type { Answer } from './reply.ts'

export async function answerTargets(call: PeerRouteCall): Promise<Answer> {
  const state = stateOf(call.params)
  const pool = call.params.get('scrapePool')
  const isShown = ({ scrapePool }: { readonly scrapePool: string }) => pool === '' || scrapePool === pool
  const { targets, warnings } = await askTargets(call, state)
  // Peers may answer with more than was asked for.
  const active = state === 'dropped' ? [] : targets.active.filter(isShown)
  const dropped = state === 'active' ? [] : targets.dropped.filter(isShown)
  const data = {
    activeTargets: active.map(describeActive),
    droppedTargets: dropped.map(describeDropped),
    droppedTargetCounts: state === 'active' ? null : Object.fromEntries(targets.droppedCounts),
  }
  return { data: JSON.stringify(data), warnings }
}

/** The pools that have targets: a pool without any is not known beyond its Prometheus. */
export async function answerScrapePools(call: PeerRouteCall): Promise<Answer> {
  const { targets, warnings } = await askTargets(call, 'any')
  const { active, dropped, droppedCounts } = targets
  const pools = new Set([...active, ...dropped].map(({ scrapePool }) => scrapePool))
  for (const pool of droppedCounts.keys()) pools.add(pool)
  return { data: JSON.stringify({ scrapePools: [...pools].sort(compareStrings) }), warnings }
}

async function askTargets(call: PeerRouteCall, state: TargetState) {
  const request = { state: targetStates.indexOf(state), strategy: strategyOf(call, 'targets') }
  const replicaLabels = replicaLabelsOf(call)
  const { items, warnings } = await call.peers.ask(targetsCall, request, call.signal)
  return { targets: mergeTargets(items, replicaLabels), warnings }
}

function stateOf(params: Params): TargetState {
  const text = params.get('state')
  const state = targetStates.find((known) => known === (text.toLowerCase() || 'any'))
  if (state === undefined) throw new MnemoError('bad_data', `invalid targets parameter state='${text}'`)
  return state
}

function describeActive(target: ActiveTarget) {
  return {
    discoveredLabels: labelsToObject(target.discoveredLabels),
    labels: labelsToObject(target.labels),
    scrapePool: target.scrapePool,
    scrapeUrl: target.scrapeUrl,
    globalUrl: target.globalUrl,
    lastError: target.lastError,
    lastScrape: formatTimestampNs(target.lastScrapeNs),
    lastScrapeDuration: target.lastScrapeSeconds,
    health: targetHealths[target.health] ?? 'unknown',
    scrapeInterval: target.scrapeInterval,
    scrapeTimeout: target.scrapeTimeout,
  }
}

function describeDropped({ discoveredLabels, scrapePool }: DroppedTarget) {
  return { discoveredLabels: labelsToObject(discoveredLabels), scrapePool }
}
