// The compactor's worker thread: merges and downsamples, so that the main thread answers health throughout.
// Owns its own connection to the bucket, whose calls the main thread counts.
import { BroadcastChannel, workerData } from 'node:worker_threads'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { serveWorker } from '../../lib/kit/workers.ts'
import { createBucket, type ReadObjstore } from '../../lib/objstore/config.ts'

const { objstore, bucketCalls } = workerData as { readonly objstore: ReadObjstore; readonly bucketCalls: string }
const calls = new BroadcastChannel(bucketCalls)
const bucket = await createBucket(objstore, { report: (call) => calls.postMessage(call) })

serveWorker<CompactorJob, JobOutcome>((job, signal) => runJob(bucket, job, signal))
