"""What a right output does not show: the surface that readers depend on, the SQL of the live target, the watch itself.

In come the project as both targets see it and the accepted surface; out go findings and notices.
"""
