// Label names, label values and series from all stores, for any of several matcher sets.
// Owns the merging of the sets' answers: each name, value or label set once, in order, within the limit.
import { compareLabels, type Labels, labelsKey } from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { SortedUnion } from '../../lib/labels/sorted-union.ts'
import type { Fanout } from '../../lib/storeapi/fanout.ts'
import type { LabelsRequest } from '../../lib/storeapi/types.ts'
import type { LookupJob } from './jobs.ts'

/** Ascending by bytes. Replica labels are among them, as in Thanos, so that one can choose a replica by them. */
export async function labelNames(fanout: Fanout, job: LookupJob, signal: AbortSignal): Promise<readonly string[]> {
  return union(job, (matchers) => fanout.labelNames(requestOf(job, matchers), signal))
}

/** Ascending by bytes. */
export async function labelValues(
  fanout: Fanout,
  job: LookupJob & { readonly label: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  return union(job, (matchers) => fanout.labelValues(job.label, requestOf(job, matchers), signal))
}

/** Label sets in ascending order, without the replica labels of the job's scope. */
export async function series(fanout: Fanout, job: LookupJob, signal: AbortSignal): Promise<Labels[]> {
  const found = new Map<string, Labels>()
  for (const matchers of alternatives(job)) {
    let count = 0
    const { replicaLabels: withoutReplicaLabels } = job.scope
    const request = { ...requestOf(job, matchers), withoutReplicaLabels, skipChunks: true, responseBatchSize: 64 }
    for await (const { labels } of fanout.series(request, signal)) {
      found.set(labelsKey(labels), labels)
      // In order within a set: what comes later cannot be among the first of all.
      if (++count === job.limit) break
    }
  }
  return cut([...found.values()].sort(compareLabels), job.limit)
}

async function union(
  job: LookupJob,
  ask: (matchers: readonly LabelMatcher[]) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const found = new SortedUnion(job.limit)
  for (const matchers of alternatives(job)) found.add(await ask(matchers))
  return found.values()
}

function alternatives({ matcherSets }: LookupJob): readonly (readonly LabelMatcher[])[] {
  return matcherSets.length === 0 ? [[]] : matcherSets
}

function requestOf({ minTime, maxTime, limit }: LookupJob, matchers: readonly LabelMatcher[]): LabelsRequest {
  return { minTime, maxTime, limit, matchers }
}

function cut<T>(values: T[], limit: number): T[] {
  return limit > 0 ? values.slice(0, limit) : values
}
