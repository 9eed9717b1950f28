;;; lanebridge-menu.el --- The menu, or the keys  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; The menu needs transient.el, which some Emacsen are built without.

;;; Code:

(require 'lanebridge)

(declare-function lanebridge-transient "lanebridge-transient")

;;;###autoload
(defun lanebridge-menu ()
  "Show what Lanebridge can do; without transient.el, its keys."
  (interactive)
  (if (condition-case nil
          (require 'lanebridge-transient)
        (file-missing nil))
      (lanebridge-transient)
    (describe-keymap 'lanebridge-command-map)))

(provide 'lanebridge-menu)
;;; lanebridge-menu.el ends here
