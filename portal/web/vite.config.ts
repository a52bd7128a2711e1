import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { closeSync, openSync } from 'node:fs'
import { defineConfig, type Plugin } from 'vite'

// Every browser the portal supports reads woff2; the fonts' second source would
// double the bundle.
const woff2Only: Plugin = {
  name: 'woff2-only',
  enforce: 'pre',
  transform(code, id) {
    if (!/@fontsource.*\.css$/.test(id)) return null
    return { code: code.replace(/, url\([^)]*\.woff\) format\('woff'\)/g, ''), map: null }
  },
}

// The Go binary embeds dist, which must therefore exist in a clean clone: Vite
// empties the folder, and the marker comes back.
const keepDist: Plugin = {
  name: 'keep-dist',
  closeBundle() {
    closeSync(openSync('dist/.keep', 'w'))
  },
}

export default defineConfig({
  plugins: [woff2Only, react(), tailwindcss(), keepDist],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { fs: { allow: ['..'] } },
})
