import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

export default defineConfig(({ mode }) => {
  // The program serves the built files and the API from one origin; `npm run dev` stands before a program that runs.
  const program = loadEnv(mode, '.', 'ATOMIK_')['ATOMIK_URL'] ?? 'http://127.0.0.1:8080';
  return {
    plugins: [react()],
    // A policy without inline scripts and data addresses: nothing may be folded into the page.
    build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 700 },
    server: { proxy: { '/api': program, '/readyz': program } },
  };
});
