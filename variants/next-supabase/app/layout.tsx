import type { Metadata } from 'next';
import type { ReactNode } from 'react';
import { name } from '@/package.json';

// Browsers ask for an icon, and there is none.
export const metadata: Metadata = { title: name, icons: 'data:,' };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
