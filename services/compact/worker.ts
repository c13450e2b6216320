// The compactor's worker thread: merges and downsamples, so that the main thread answers health throughout.
// Owns nothing: the bucket is the main thread's (threads.ts).
import { type MessagePort, workerData } from 'node:worker_threads'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { serveWorker } from '../../lib/kit/workers.ts'
import { portBucket } from '../../lib/objstore/port-bucket.ts'

const { port } = workerData as { readonly port: MessagePort }
const bucket = portBucket(port)

serveWorker<CompactorJob, JobOutcome>((job, signal) => runJob(bucket, job, signal))
