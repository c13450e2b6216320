// The compactor's worker thread: merges and downsamples, so that the main thread answers health throughout.
// Owns nothing: the bucket is the main thread's (threads.ts).
import { type MessagePort, workerData } from 'node:worker_threads'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { KernelPool } from '../../lib/kernels/kernel-pool.ts'
import { serveWorker } from '../../lib/kit/workers.ts'
import { portBucket } from '../../lib/objstore/port-bucket.ts'

const { port } = workerData as { readonly port: MessagePort }
const bucket = portBucket(port)

const kernels = new KernelPool()

serveWorker<CompactorJob, JobOutcome>((job, signal) => kernels.use((ones) => runJob(bucket, job, signal, ones)))
