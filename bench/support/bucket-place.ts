// Where a benchmark's bucket lies: in a folder, or on a real S3 server on loopback (Debian's Ceph), whose requests cost what requests cost.
// Owns the server.
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { createBucket } from '../../lib/objstore/config.ts'
import { LocalFile } from '../../lib/objstore/local-file.ts'
import { startCeph, whyNoCeph } from '../../test/support/ceph.ts'

export interface BucketPlace {
  /** The object storage configuration of a bucket with all that is in the folder. */
  put(folder: string): Promise<string>
  stop(): Promise<void>
}

export async function openBucketPlace(isS3: boolean): Promise<BucketPlace> {
  return isS3 ? openS3Place() : { put: async (folder) => folderConfig(folder), stop: async () => {} }
}

function folderConfig(directory: string): string {
  return JSON.stringify({ type: 'FILESYSTEM', config: { directory } })
}

/** Throws where the server is not installed. */
async function openS3Place(): Promise<BucketPlace> {
  const reason = whyNoCeph()
  if (reason !== undefined) throw new Error(reason)
  const ceph = await startCeph()
  let count = 0
  return {
    async put(folder) {
      const name = `bench-${count++}`
      await ceph.createBucket(name)
      const config = ceph.config(name)
      const bucket = await createBucket(config)
      for (const file of (await readdir(folder, { recursive: true })).sort()) {
        const from = path.join(folder, file)
        const stats = await stat(from)
        if (stats.isFile()) await bucket.upload(file, new LocalFile(from, { sizeBytes: stats.size }))
      }
      await bucket.close()
      return config
    },
    stop: () => ceph.stop(),
  }
}
