;;; lanebridge-review.el --- Hunks in a list, amended, in ediff and smerge  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; What one does with hunks outside of their files: all of them in a
;; list, one in a buffer where its lines can be changed, those of a file
;; beside what it was (Ediff) or as conflicts (Smerge).

;;; Code:

(require 'cl-lib)
(require 'tabulated-list)
(require 'lanebridge-hunks)

(declare-function ediff-buffers "ediff")
(defvar smerge-mode)

;;; The list

(defvar lanebridge-hunks-mode-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("\r" . lanebridge-hunks-visit) ("o" . lanebridge-hunks-visit-other-window)
                     ("y" . lanebridge-hunks-accept) ("n" . lanebridge-hunks-reject)
                     ("Y" . lanebridge-accept-all) ("N" . lanebridge-reject-all)))
      (define-key map key command))
    map)
  "Keys of the list of hunks.")

(define-derived-mode lanebridge-hunks-mode tabulated-list-mode "Hunks"
  "Hunks of all files that wait for you.
\\{lanebridge-hunks-mode-map}"
  (setq tabulated-list-format [("File" 36 nil) ("Line" 6 nil :right-align t)
                               ("Lines" 8 nil) ("Begins" 0 nil)])
  (setq next-error-function #'lanebridge-hunks--next-error)
  (tabulated-list-init-header))

(defun lanebridge-hunks--row-of-list (entry)
  "ENTRY of `lanebridge-hunks-entries' as a row."
  (pcase-let* ((`(,file ,row ,change ,told) entry)
               (new (plist-get told :new)) (old (plist-get told :old))
               (lines (if (equal new []) old new)))
    (list (list file row change told)
          (vector (plist-get change :path) (number-to-string row)
                  (format "+%d −%d" (length new) (length old))
                  (if (equal (plist-get told :kind) "lines")
                      (string-trim (if (equal lines []) "" (aref lines 0)))
                    (plist-get told :kind))))))

(defun lanebridge-hunks--fill-list ()
  "Show what is pending in the current buffer, the list."
  (setq tabulated-list-entries (mapcar #'lanebridge-hunks--row-of-list (lanebridge-hunks-entries)))
  (tabulated-list-print t))

;;;###autoload
(defun lanebridge-hunks ()
  "Show all hunks in a list."
  (interactive)
  (when (= (lanebridge-hunks-count) 0)
    (user-error "No hunk waits"))
  (let ((directory default-directory))
    (pop-to-buffer (get-buffer-create "*Lanebridge hunks*"))
    (unless (derived-mode-p 'lanebridge-hunks-mode)
      (lanebridge-hunks-mode))
    (setq default-directory directory)
    (lanebridge-hunks--fill-list)
    (goto-char (point-min))))

(defun lanebridge-hunks--entry ()
  "The hunk that the current line of the list is about."
  (or (tabulated-list-get-id) (user-error "No hunk in this line")))

(defun lanebridge-hunks-visit (&optional other)
  "Go to the hunk in its file, in the OTHER window if non-nil."
  (interactive)
  (pcase-let ((`(,file ,row . ,_) (lanebridge-hunks--entry)))
    (if other (find-file-other-window file) (find-file file))
    (goto-char (point-min))
    (forward-line (1- row))))

(defun lanebridge-hunks-visit-other-window ()
  "Go to the hunk in its file, in another window."
  (interactive)
  (lanebridge-hunks-visit t))

(defun lanebridge-hunks--next-error (step &optional reset)
  "Go STEP hunks further, from the first one if RESET, and visit it."
  (when reset
    (goto-char (point-min)))
  (when (/= (forward-line (if reset 0 step)) 0)
    (user-error "No more hunks"))
  (lanebridge-hunks-visit t))

(defun lanebridge-hunks--decide-line (verb)
  "VERB the hunk of the current line."
  (pcase-let ((`(,_ ,_ ,change ,told) (lanebridge-hunks--entry)))
    (lanebridge-hunks-decide verb change told)))

(defun lanebridge-hunks-accept ()
  "Accept the hunk of the current line."
  (interactive)
  (lanebridge-hunks--decide-line "accept"))

(defun lanebridge-hunks-reject ()
  "Reject the hunk of the current line."
  (interactive)
  (lanebridge-hunks--decide-line "reject"))

;;; Amending

(defun lanebridge-hunks--amend (change told text)
  "Have TEXT be the new lines of the hunk TOLD of CHANGE, accepted."
  (lanebridge-request "lanebridge/changes/amend"
                      (list :threadId (plist-get change :threadId)
                            :turnId (plist-get change :turnId)
                            :path (plist-get change :path)
                            :hunk (plist-get told :index)
                            :text text)
                      (lambda (_) (lanebridge-hunks-read (plist-get change :threadId)))))

(defvar-local lanebridge-review--finish nil
  "Function that takes what is in the current buffer.")

(defvar lanebridge-review-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c C-c") #'lanebridge-review-finish)
    (define-key map (kbd "C-c C-k") #'lanebridge-review-cancel)
    map)
  "Keys of buffers in which hunks are changed.")

(define-minor-mode lanebridge-review-mode
  "Minor mode of buffers in which hunks are changed."
  :lighter " Review")

(defun lanebridge-review-finish ()
  "Take what is in this buffer."
  (interactive)
  (funcall lanebridge-review--finish)
  (quit-window t))

(defun lanebridge-review-cancel ()
  "Leave the hunks as they are."
  (interactive)
  (quit-window t))

(defun lanebridge-review--text ()
  "The current buffer's lines, without the end of the last one."
  (string-remove-suffix "\n" (buffer-substring-no-properties (point-min) (point-max))))

(defun lanebridge-review--buffer (name text mode finish)
  "Show a buffer NAME with TEXT in MODE; FINISH is called to take it."
  (let ((directory default-directory))
    (pop-to-buffer (generate-new-buffer name))
    (insert text)
    (delay-mode-hooks (funcall mode))
    (setq default-directory directory
          lanebridge-review--finish finish
          header-line-format (substitute-command-keys
                              "\\<lanebridge-review-mode-map>\\[lanebridge-review-finish] takes it, \\[lanebridge-review-cancel] leaves it"))
    (lanebridge-review-mode)
    (set-buffer-modified-p nil)
    (goto-char (point-min))))

(defun lanebridge-review--join (lines)
  "LINES as a text."
  (mapconcat (lambda (line) (concat line "\n")) lines ""))

;;;###autoload
(defun lanebridge-amend ()
  "Change the new lines of the hunk at point; they are accepted so."
  (interactive)
  (let* ((hunk (car (lanebridge-hunks--mine)))
         (change (lanebridge-hunk-change hunk))
         (told (lanebridge-hunk-told hunk)))
    (lanebridge-review--buffer
     (format "*Lanebridge amend %s*" (plist-get change :path))
     (lanebridge-review--join (plist-get told :new))
     major-mode
     (lambda () (lanebridge-hunks--amend change told (lanebridge-review--text))))))

;;; Both texts

(defun lanebridge-review--other (hunks)
  "The current buffer's text with HUNKS, in order, the other way round.
That is without them where they are applied, else with them."
  (let ((at (point-min)) parts)
    (dolist (hunk hunks)
      (let ((overlay (lanebridge-hunk-overlay hunk)))
        (push (buffer-substring-no-properties at (overlay-start overlay)) parts)
        (push (lanebridge-review--join
               (plist-get (lanebridge-hunk-told hunk)
                          (if (lanebridge-hunks--applied-p (lanebridge-hunk-change hunk)) :old :new)))
              parts)
        (setq at (overlay-end overlay))))
    (push (buffer-substring-no-properties at (point-max)) parts)
    (apply #'concat (nreverse parts))))

(defun lanebridge-review--hunks ()
  "Hunks of lines in the current buffer; an error if there are none."
  (or (cl-remove-if-not (lambda (hunk)
                          (equal (plist-get (lanebridge-hunk-told hunk) :kind) "lines"))
                        (lanebridge-hunks-here))
      (user-error "No hunk waits in this file")))

(defun lanebridge-review-other-buffer ()
  "A buffer with the current one's text, its hunks the other way round."
  (let* ((hunks (lanebridge-review--hunks))
         (applied (lanebridge-hunks--applied-p (lanebridge-hunk-change (car hunks))))
         (text (save-restriction (widen) (lanebridge-review--other hunks)))
         (mode major-mode)
         (name (format "*Lanebridge %s %s*" (if applied "before" "proposed") (buffer-name))))
    (with-current-buffer (get-buffer-create name)
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert text)
        (delay-mode-hooks (funcall mode))
        (set-buffer-modified-p nil)
        (setq buffer-read-only t))
      (current-buffer))))

;;;###autoload
(defun lanebridge-diff ()
  "Show the file beside what it is without its hunks, by Ediff."
  (interactive)
  (require 'ediff)
  (let ((other (lanebridge-review-other-buffer)))
    (ediff-buffers other (current-buffer)
                   (list (lambda ()
                           (add-hook 'ediff-quit-hook
                                     (lambda ()
                                       (when (buffer-live-p other)
                                         (kill-buffer other)))
                                     t t))))))

;;; Conflicts

(defun lanebridge-review--conflict (hunk)
  "HUNK as a conflict: what was, and what Lanebridge wrote."
  (let ((told (lanebridge-hunk-told hunk)))
    (concat "<<<<<<< before\n" (lanebridge-review--join (plist-get told :old))
            "=======\n" (lanebridge-review--join (plist-get told :new))
            ">>>>>>> Lanebridge\n")))

(defun lanebridge-review--decide-region (hunk text)
  "Decide on HUNK, whose conflict has become TEXT."
  (let* ((change (lanebridge-hunk-change hunk))
         (told (lanebridge-hunk-told hunk))
         (old (lanebridge-review--join (plist-get told :old)))
         (new (lanebridge-review--join (plist-get told :new))))
    (cond
     ((string-prefix-p "<<<<<<< " text))
     ((equal text new) (lanebridge-hunks-decide "accept" change told))
     ((equal text old) (lanebridge-hunks-decide "reject" change told))
     (t (lanebridge-hunks--amend change told (string-remove-suffix "\n" text))))))

;;;###autoload
(defun lanebridge-smerge ()
  "Show the file with its hunks as conflicts, in a buffer of its own.
Decide on them by the commands of `smerge-mode', and then by
\\<lanebridge-review-mode-map>\\[lanebridge-review-finish]: hunks of which the upper lines were kept are
rejected, of which the lower ones were are accepted, changed ones are
amended; conflicts that are still there wait."
  (interactive)
  (require 'smerge-mode)
  (let* ((hunks (lanebridge-review--hunks))
         (source (current-buffer))
         (name (format "*Lanebridge merge %s*" (buffer-name)))
         regions)
    (lanebridge-review--buffer
     name "" major-mode
     (lambda ()
       (pcase-dolist (`(,hunk ,beg ,end) (reverse regions))
         (lanebridge-review--decide-region hunk (buffer-substring-no-properties beg end)))))
    (let ((at (point-min)))
      (dolist (hunk hunks)
        (let ((overlay (lanebridge-hunk-overlay hunk)))
          (insert-buffer-substring-no-properties source at (overlay-start overlay))
          (let ((beg (point-marker)))
            (insert (lanebridge-review--conflict hunk))
            (push (list hunk beg (copy-marker (point) t)) regions))
          (setq at (overlay-end overlay))))
      ;; What follows a conflict is not taken for a part of it.
      (dolist (region regions)
        (set-marker-insertion-type (nth 2 region) nil))
      (insert-buffer-substring-no-properties
       source at (with-current-buffer source (point-max))))
    (smerge-mode)
    (set-buffer-modified-p nil)
    (goto-char (point-min))))

(provide 'lanebridge-review)
;;; lanebridge-review.el ends here
