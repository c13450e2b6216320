// The compactor's worker thread: merges and downsamples, so that the main thread answers health throughout.
// Owns its own connection to the bucket.
import { workerData } from 'node:worker_threads'
import { type CompactorJob, type JobOutcome, runJob } from '../../lib/compact/job.ts'
import { serveWorker } from '../../lib/kit/workers.ts'
import { createBucket } from '../../lib/objstore/config.ts'

const bucket = await createBucket((workerData as { objstore: string }).objstore)

serveWorker<CompactorJob, JobOutcome>((job, signal) => runJob(bucket, job, signal))
