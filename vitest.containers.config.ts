import { defineConfig } from 'vitest/config'

// Containers alone: `npm test` does not run these, since they take minutes and need a Docker.
export default defineConfig({
  test: { include: ['test/containers/*.ts'], testTimeout: 600_000, hookTimeout: 900_000, pool: 'forks' },
})
