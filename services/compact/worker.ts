// The compactor's worker thread: merges and downsamples, so that the main thread answers health throughout.
// Owns its own connection to the bucket, whose calls the main thread counts.
import { workerData } from 'node:worker_threads'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { postEvent, serveWorker } from '../../lib/kit/workers.ts'
import { createBucket, type ReadObjstore } from '../../lib/objstore/config.ts'
import type { BucketCall } from '../../lib/objstore/measured.ts'

const { objstore } = workerData as { readonly objstore: ReadObjstore }
/** Calls are told many at a time: a message costs as much as a small read. */
const tellAfterMs = 100
let calls: BucketCall[] = []
const bucket = await createBucket(objstore, { report })

function report(call: BucketCall): void {
  calls.push(call)
  if (calls.length === 1) setTimeout(tell, tellAfterMs)
}

function tell(): void {
  if (calls.length > 0) postEvent(calls)
  calls = []
}

serveWorker<CompactorJob, JobOutcome>((job, signal) => runJob(bucket, job, signal).finally(tell))
