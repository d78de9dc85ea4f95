// The site: navigation by hand, the API reference in the sidebar from the file that TypeDoc
// writes next to it, and search that needs no service.
import { readFileSync } from 'node:fs'
import { defineConfig, type DefaultTheme } from 'vitepress'

function apiSidebar(): DefaultTheme.SidebarItem[] {
  const file = new URL('../api/typedoc-sidebar.json', import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as DefaultTheme.SidebarItem[]
}

const decisions: DefaultTheme.SidebarItem[] = [
  { text: 'About decisions', link: '/adr/' },
  { text: '1. ESM only', link: '/adr/0001-esm-only' },
  { text: '2. One step, with the time in it', link: '/adr/0002-one-step' },
  { text: '3. Hard state is opaque bytes', link: '/adr/0003-opaque-hard-state' },
  { text: '4. One version for every package', link: '/adr/0004-fixed-versions' },
  { text: '5. Snapshots are pulled', link: '/adr/0005-pulled-snapshots' },
  { text: '6. Identity is in the command', link: '/adr/0006-command-envelope' },
]

export default defineConfig({
  title: 'Quorate',
  description: 'Consensus and partitioning for TypeScript, in parts that can be swapped',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ['adr/template.md'],
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'API', link: '/api/' },
      { text: 'Decisions', link: '/adr/' },
    ],
    sidebar: {
      '/api/': [{ text: 'API', items: apiSidebar() }],
      '/adr/': [{ text: 'Decisions', items: decisions }],
    },
    outline: { level: [2, 3] },
  },
})
