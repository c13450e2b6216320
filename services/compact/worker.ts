// The compactor's worker thread: merges and downsamples, so that the main thread answers health throughout.
// Owns its own connection to the bucket, whose calls the main thread counts.
import { workerData } from 'node:worker_threads'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { postEvent, serveWorker } from '../../lib/kit/workers.ts'
import { createBucket, type ReadObjstore } from '../../lib/objstore/config.ts'

const { objstore } = workerData as { readonly objstore: ReadObjstore }
const bucket = await createBucket(objstore, { report: postEvent })

serveWorker<CompactorJob, JobOutcome>((job, signal) => runJob(bucket, job, signal))
