"""Checks what right outputs do not show: readers' surface, live SQL, the watch itself.

The surface is what readers of the live tables depend on. The watch is what the dye compares. In come the project under
both targets and the accepted surface. Out go findings and notices.
"""
