"""What every kernel stands on; it knows no model.

All that llvm, simd, vecmath, philox and tiles hold is for jitted code only, as in _nets.
"""
