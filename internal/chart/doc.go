// Package chart draws the pictures of reports: SVG whose marks have classes, which a
// page's style colours for light and dark screens, and whose labels keep off marks and off
// each other. Positions are in the picture's units, from the upper left corner.
package chart
