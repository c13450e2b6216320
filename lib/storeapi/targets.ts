// The gRPC Targets API: what is scraped, how it went, and what relabelling has dropped.
// Specification: Thanos pkg/targets/targetspb/rpc.proto (proto/targets.proto); fields from 1000 on are ours, which Thanos skips.
// Owns the messages, and the merging of several peers' answers along replica labels.
import { compareLabels, compareStrings, labelsKey, labelValue, withoutLabels } from '../labels/labels.ts'
import { peerCall } from './peer-call.ts'
import { double, int, labelSet, list, message, text, timestamp } from './proto-message.ts'

export const targetStates = ['any', 'active', 'dropped'] as const
export type TargetState = (typeof targetStates)[number]

/** By their numbers on the wire. */
export const targetHealths = ['down', 'up', 'unknown'] as const

/** state: index into targetStates. */
const request = message('TargetsRequest', { state: int(1), strategy: int(2) })
export type TargetsRequest = ReturnType<typeof request.empty>

const activeTarget = message('ActiveTarget', {
  discoveredLabels: labelSet(1),
  labels: labelSet(2),
  scrapePool: text(3),
  scrapeUrl: text(4),
  globalUrl: text(5),
  lastError: text(6),
  lastScrapeNs: timestamp(7),
  lastScrapeSeconds: double(8),
  /** Index into targetHealths. */
  health: int(9),
  scrapeInterval: text(1000),
  scrapeTimeout: text(1001),
})
export type ActiveTarget = ReturnType<typeof activeTarget.empty>

const droppedTarget = message('DroppedTarget', { discoveredLabels: labelSet(1), scrapePool: text(1000) })
export type DroppedTarget = ReturnType<typeof droppedTarget.empty>

/** How many of a pool were dropped, which may be more than are listed (keep_dropped_targets), and by which Prometheus. */
const droppedCount = message('DroppedCount', { scrapePool: text(1), count: int(2), externalLabels: labelSet(3) })
export type DroppedCount = ReturnType<typeof droppedCount.empty>

const item = message('TargetDiscovery', {
  active: list(1, activeTarget),
  dropped: list(2, droppedTarget),
  droppedCounts: list(1000, droppedCount),
})
export type Targets = ReturnType<typeof item.empty>

export const targetsCall = peerCall('targets', '/thanos.Targets/Targets', { request, item })

export interface MergedTargets {
  readonly active: readonly ActiveTarget[]
  readonly dropped: readonly DroppedTarget[]
  readonly droppedCounts: ReadonlyMap<string, number>
}

/**
 * All peers' targets by pool, then address; those that differ in replica labels alone are one. As in Thanos a target that
 * is down for one replica is down, and of two alike the one that was scraped last is shown.
 */
export function mergeTargets(items: readonly Targets[], replicaLabels: readonly string[]): MergedTargets {
  const replicas = new Set(replicaLabels)
  const active = new Map<string, ActiveTarget>()
  const dropped = new Map<string, DroppedTarget>()
  for (const one of items) {
    for (const target of one.active) {
      const stripped = withPeriods({
        ...target,
        labels: withoutLabels(target.labels, replicas),
        discoveredLabels: withoutLabels(target.discoveredLabels, replicas),
      })
      const { scrapePool, scrapeUrl, labels, discoveredLabels } = stripped
      const key = JSON.stringify([scrapePool, scrapeUrl, labels, discoveredLabels])
      const known = active.get(key)
      if (known === undefined || isShownBefore(stripped, known)) active.set(key, stripped)
    }
    for (const target of one.dropped) {
      const discoveredLabels = withoutLabels(target.discoveredLabels, replicas)
      dropped.set(labelsKey(discoveredLabels), { discoveredLabels, scrapePool: poolOf(target) })
    }
  }
  return {
    active: [...active.values()].sort(compareActive),
    dropped: [...dropped.values()].sort(compareDropped),
    droppedCounts: countDropped(items, replicas),
  }
}

function isShownBefore(a: ActiveTarget, b: ActiveTarget): boolean {
  return a.health === b.health ? a.lastScrapeNs > b.lastScrapeNs : a.health < b.health
}

/** Thanos's peers do not send these two, but for relabelling they are among the discovered labels. */
function withPeriods(target: ActiveTarget): ActiveTarget {
  const { scrapeInterval, scrapeTimeout, discoveredLabels } = target
  return {
    ...target,
    scrapeInterval: scrapeInterval || labelValue(discoveredLabels, '__scrape_interval__'),
    scrapeTimeout: scrapeTimeout || labelValue(discoveredLabels, '__scrape_timeout__'),
  }
}

function poolOf({ scrapePool, discoveredLabels }: DroppedTarget): string {
  return scrapePool || labelValue(discoveredLabels, 'job')
}

function compareActive(a: ActiveTarget, b: ActiveTarget): number {
  return (
    compareStrings(a.scrapePool, b.scrapePool) ||
    compareStrings(a.scrapeUrl, b.scrapeUrl) ||
    compareLabels(a.labels, b.labels) ||
    compareLabels(a.discoveredLabels, b.discoveredLabels)
  )
}

function compareDropped(a: DroppedTarget, b: DroppedTarget): number {
  return compareStrings(a.scrapePool, b.scrapePool) || compareLabels(a.discoveredLabels, b.discoveredLabels)
}

/**
 * By pool: replicas drop the same, so the largest count of them; different Prometheus add up. Of peers that send no counts
 * (Thanos's) what they list is counted.
 */
function countDropped(items: readonly Targets[], replicas: ReadonlySet<string>): ReadonlyMap<string, number> {
  const largest = new Map<string, { pool: string; count: number }>()
  const listed = new Map<string, string>()
  for (const { dropped, droppedCounts } of items) {
    for (const { scrapePool: pool, count, externalLabels } of droppedCounts) {
      const key = JSON.stringify([pool, withoutLabels(externalLabels, replicas)])
      largest.set(key, { pool, count: Math.max(count, largest.get(key)?.count ?? 0) })
    }
    if (droppedCounts.length > 0) continue
    for (const target of dropped)
      listed.set(labelsKey(withoutLabels(target.discoveredLabels, replicas)), poolOf(target))
  }
  const sums = new Map<string, number>()
  for (const { pool, count } of largest.values()) sums.set(pool, (sums.get(pool) ?? 0) + count)
  for (const pool of listed.values()) sums.set(pool, (sums.get(pool) ?? 0) + 1)
  return new Map([...sums].sort(([a], [b]) => compareStrings(a, b)))
}
