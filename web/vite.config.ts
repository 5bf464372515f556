import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The program serves the built files and the API from one origin; `npm run dev` stands before a program that runs.
const program = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  // A policy without inline scripts and data addresses: nothing may be folded into the page.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { '/api': program, '/readyz': program } },
});
