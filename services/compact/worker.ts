// The compactor's worker thread: runs one compaction at a time, so that the main thread answers health throughout.
// Owns its own connection to the bucket.
import { workerData } from 'node:worker_threads'
import { type CompactionJob, type CompactionOutcome, runCompaction } from '../../lib/compact/job.ts'
import { serveWorker } from '../../lib/kit/workers.ts'
import { createBucket } from '../../lib/objstore/config.ts'

const bucket = await createBucket((workerData as { objstore: string }).objstore)

serveWorker<CompactionJob, CompactionOutcome>((job, signal) => runCompaction(bucket, job, signal))
